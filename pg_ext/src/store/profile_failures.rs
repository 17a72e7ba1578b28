//! `registrar_private.profile_failures`: profiles that could not be filled, with what a developer needs to mend them.

use pgrx::datum::TimestampWithTimeZone;
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
            TimestampWithTimeZone::from(transaction_start()).into(),
            error.sqlstate().into(),
            error.message.as_str().into(),
            error.detail.as_deref().into(),
            error.hint.as_deref().into(),
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
