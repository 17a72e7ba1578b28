//! Rows of `auth.users` with what profiles are filled from, in whatever columns this database has.

use pgrx::pg_sys::BuiltinOid::{INT8OID, UUIDARRAYOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{self, UserRow, returned_users};

/// `SELECT` of the columns of [`UserRow`], for the users that a condition picks.
fn select(columns: &Columns, condition: &str) -> String {
    format!(
        "SELECT u.id, {} AS raw_user_meta_data, {} AS raw_app_meta_data, {} AS email, {} AS phone, {} AS is_anonymous
         FROM auth.users AS u WHERE {condition}",
        columns.or_null("raw_user_meta_data", "jsonb"),
        columns.or_null("raw_app_meta_data", "jsonb"),
        columns.or_null("email", "text"),
        columns.or_null("phone", "text"),
        columns.or_null("is_anonymous", "boolean"),
    )
}

/// The condition that leaves soft-deleted users out: what they have is scrambled.
pub(super) fn not_deleted(columns: &Columns) -> &'static str {
    if columns.has("deleted_at") { "u.deleted_at IS NULL" } else { "true" }
}

static OF_IDS: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let condition = format!("u.id = ANY ($1) AND {}", not_deleted(&columns));
        select(&columns, &condition)
    },
    &[UUIDARRAYOID],
);

/// These users, as far as there are such; they live as long as the client's connection.
pub(crate) fn of_ids<'c>(client: &mut SpiClient<'c>, ids: &[Uuid]) -> Vec<UserRow<'c>> {
    let ids: Vec<_> = ids.iter().copied().map(pg_uuid).collect();
    returned_users(&OF_IDS.run(client, &[ids.into()]))
}

// Two statements: of one with `$1 IS NULL OR id > $1` a kept plan reads the index from its beginning.
static FIRST_PAGE: Statement = Statement::made_by(|client| page_query(client, "true", "$1"), &[INT8OID]);
static NEXT_PAGE: Statement = Statement::made_by(|client| page_query(client, "u.id > $1", "$2"), &[UUIDOID, INT8OID]);

fn page_query(client: &mut SpiClient<'_>, beginning: &str, limit: &str) -> String {
    let columns = Columns::of_auth(client, "users");
    let condition = format!("{beginning} AND {} ORDER BY u.id LIMIT {limit}", not_deleted(&columns));
    select(&columns, &condition)
}

/// The next users after one, in the order of their ids.
pub(crate) fn page<'c>(client: &mut SpiClient<'c>, after: Option<Uuid>, limit: i64) -> Vec<UserRow<'c>> {
    // A kept plan knows neither the page's size nor, on a table not yet analyzed, the table's: it would sort all that is left for
    // each page.
    let rows = pg::without_sorting(|| match after {
        None => FIRST_PAGE.run(client, &[limit.into()]),
        Some(after) => NEXT_PAGE.run(client, &[pg_uuid(after).into(), limit.into()]),
    });
    returned_users(&rows)
}

static DELETED: Statement = Statement::made_by(
    |client| {
        let not_deleted = not_deleted(&Columns::of_auth(client, "users"));
        format!("SELECT coalesce(array_agg(u.id), '{{}}') FROM auth.users AS u WHERE NOT ({not_deleted})")
    },
    &[],
);

/// The soft-deleted users.
pub(crate) fn deleted(client: &mut SpiClient<'_>) -> Vec<pgrx::Uuid> {
    DELETED.run(client, &[]).first().get_one().ok().flatten().unwrap_or_default()
}

static COUNT: Statement = Statement::made_by(
    |client| format!("SELECT count(*) FROM auth.users AS u WHERE {}", not_deleted(&Columns::of_auth(client, "users"))),
    &[],
);

/// How many users there are.
pub(crate) fn count(client: &mut SpiClient<'_>) -> u64 {
    let count: Option<i64> = COUNT.run(client, &[]).first().get_one().ok().flatten();
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
}
