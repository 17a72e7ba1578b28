//! `registrar_private.profile_failures`: profiles that could not be filled, with what a developer needs to mend them.

use pgrx::pg_sys::BuiltinOid::{TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use super::profile_tables::ProfileTable;
use crate::pg::{PgError, transaction_start};

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.profile_failures AS known
         (user_id, schema_name, table_name, occurred_at, sqlstate, message, detail, hint, context, constraint_name, failed_table)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (user_id, schema_name, table_name) DO UPDATE
     SET occurred_at = excluded.occurred_at, attempts = known.attempts + 1, sqlstate = excluded.sqlstate,
         message = excluded.message, detail = excluded.detail, hint = excluded.hint, context = excluded.context,
         constraint_name = excluded.constraint_name, failed_table = excluded.failed_table",
    &[UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID],
);

/// Records why a user has no row in a profile table.
pub(crate) fn record(client: &mut SpiClient<'_>, user_id: Uuid, table: &ProfileTable, error: &PgError) {
    RECORD.run(
        client,
        &[
            pg_uuid(user_id).into(),
            table.schema.as_str().into(),
            table.name.as_str().into(),
            transaction_start().into(),
            error.sqlstate().into(),
            error.message.as_str().into(),
            error.detail.as_deref().into(),
            hint(table, error).into(),
            error.context.as_deref().into(),
            error.constraint.as_deref().into(),
            error.table.as_deref().into(),
        ],
    );
}

static RESOLVE: Statement = Statement::new(
    "DELETE FROM registrar_private.profile_failures WHERE user_id = $1 AND schema_name = $2 AND table_name = $3",
    &[UUIDOID, TEXTOID, TEXTOID],
);

/// Forgets a failure that is mended.
pub(crate) fn resolve(client: &mut SpiClient<'_>, user_id: Uuid, table: &ProfileTable) {
    RESOLVE.run(client, &[pg_uuid(user_id).into(), table.schema.as_str().into(), table.name.as_str().into()]);
}

/// A failure as it is recorded.
pub(crate) struct Recorded {
    /// `schema.table`, as people write it.
    pub(crate) table: String,
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

static OF_USER: Statement = Statement::new(
    "SELECT format('%s.%s', schema_name, table_name), sqlstate, message, coalesce(hint, '')
     FROM registrar_private.profile_failures WHERE user_id = $1 ORDER BY 1",
    &[UUIDOID],
);

/// The failures of a user.
pub(crate) fn of_user(client: &mut SpiClient<'_>, user_id: Uuid) -> Vec<Recorded> {
    let rows = OF_USER.run(client, &[pg_uuid(user_id).into()]);
    rows.filter_map(|row| {
        let text = |place| row.get::<String>(place).ok().flatten();
        Some(Recorded { table: text(1)?, sqlstate: text(2)?, message: text(3)?, hint: text(4)? })
    })
    .collect()
}

/// What to do about a failure: PostgreSQL's own hint, or what its kind calls for.
pub(crate) fn hint(table: &ProfileTable, error: &PgError) -> String {
    let name = table.display_name();
    let then = "then run SELECT registrar.repair_profiles();";
    let by_kind = match error.sqlstate().as_str() {
        "42P01" | "3F000" => format!(
            "Bring the table back, or detach it with SELECT registrar.detach_profile_table('{name}'); where it is back, {then}"
        ),
        "42703" => format!("Attach {name} again with the columns as they are now called; {then}"),
        "23502" => format!("Give the column a DEFAULT, or drop its NOT NULL, or attach a field that fills it; {then}"),
        "23505" => format!("Another row of {name} has the same value; change it or drop the unique constraint; {then}"),
        "23503" => format!("Insert the row that the foreign key points to, or drop the constraint; {then}"),
        "23514" => format!("Change the constraint or the column's default, which it refuses; {then}"),
        "55P03" => format!("The table was locked, by a migration perhaps; {then}"),
        "42501" => format!("Grant the owner of {name} what its triggers and defaults need; {then}"),
        "42P10" => format!("Make {} unique; {then}", table.user_column),
        "P0001" | "09000" => format!("Mend the trigger on {name}; {then}"),
        _ => format!("Mend the cause; {then}"),
    };
    match &error.hint {
        Some(hint) => format!("{}; {then}", hint.trim_end_matches(['.', ';'])),
        None => by_kind,
    }
}
