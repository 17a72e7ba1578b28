//! `registrar.users`: users as every call shows them.

use pgrx::pg_sys::BuiltinOid::{INT8OID, TEXTOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::UserRead;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg;

static OF_ID: Statement =
    Statement::new("SELECT to_jsonb(u)::text FROM registrar.users AS u WHERE u.id = $1", &[UUIDOID]);

/// A user; `None` where there is none, or only a deleted one.
pub(crate) fn of_id(client: &mut SpiClient<'_>, id: Uuid) -> Option<UserRead> {
    let json: Option<String> = OF_ID.run(client, &[pg_uuid(id).into()]).first().get_one().ok().flatten();
    json.map(|json| read(&json))
}

fn read(json: &str) -> UserRead {
    serde_json::from_str(json).expect("the view has what a user has")
}

macro_rules! page {
    ($condition:literal) => {
        concat!(
            "SELECT to_jsonb(u)::text
             FROM registrar.users AS u
             WHERE ",
            $condition,
            " AND ($2 IS NULL OR starts_with(u.email, $2)) AND ($3 IS NULL OR u.role = $3)
             ORDER BY u.id
             LIMIT $4"
        )
    };
}

// Two statements: of one with `$1 IS NULL OR id > $1` a kept plan reads the index from its beginning.
static FIRST_PAGE: Statement = Statement::new(page!("$1 IS NULL"), &[UUIDOID, TEXTOID, TEXTOID, INT8OID]);
static NEXT_PAGE: Statement = Statement::new(page!("u.id > $1"), &[UUIDOID, TEXTOID, TEXTOID, INT8OID]);

/// Which users are asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) after: Option<Uuid>,
    /// How the address begins, in lower case.
    pub(crate) email_prefix: Option<&'a str>,
    pub(crate) role: Option<&'a str>,
    pub(crate) limit: i64,
}

/// The next of them, in the order of their ids.
pub(crate) fn page(client: &mut SpiClient<'_>, wanted: &Wanted<'_>) -> Vec<UserRead> {
    let statement = if wanted.after.is_some() { &NEXT_PAGE } else { &FIRST_PAGE };
    let arguments =
        [wanted.after.map(pg_uuid).into(), wanted.email_prefix.into(), wanted.role.into(), wanted.limit.into()];
    // As for every page of users: sorting them is what a kept plan would do.
    let rows = pg::without_sorting(|| statement.run(client, &arguments));
    rows.filter_map(|row| row.get::<String>(1).ok().flatten()).map(|json| read(&json)).collect()
}
