//! `registrar_private.profile_warnings`: values that did not fit their field.

use pgrx::pg_sys::BuiltinOid::{TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::FieldError;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use super::profile_tables::ProfileTable;
use crate::pg::transaction_start;

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.profile_warnings (user_id, schema_name, table_name, column_name, occurred_at, message)
     SELECT $1, $2, $3, warning.column_name, $4, warning.message
     FROM unnest($5, $6) AS warning (column_name, message)
     ON CONFLICT (user_id, schema_name, table_name, column_name) DO UPDATE
     SET occurred_at = excluded.occurred_at, message = excluded.message",
    &[UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTARRAYOID, TEXTARRAYOID],
);

/// Records which fields have their default in place of what the source had.
pub(crate) fn record(client: &mut SpiClient<'_>, user_id: Uuid, table: &ProfileTable, warnings: &[FieldError]) {
    let columns: Vec<_> =
        warnings.iter().map(|warning| warning.field.clone().unwrap_or_default().into_owned()).collect();
    let messages: Vec<_> = warnings.iter().map(message).collect();
    RECORD.run(
        client,
        &[
            pg_uuid(user_id).into(),
            table.schema.as_str().into(),
            table.name.as_str().into(),
            transaction_start().into(),
            columns.into(),
            messages.into(),
        ],
    );
}

/// A warning as it is recorded.
pub(crate) struct Recorded {
    /// `schema.table.column`, as people write it.
    pub(crate) column: String,
    pub(crate) message: String,
}

static OF_USER: Statement = Statement::new(
    "SELECT format('%s.%s.%s', schema_name, table_name, column_name), message
     FROM registrar_private.profile_warnings WHERE user_id = $1 ORDER BY 1",
    &[UUIDOID],
);

/// The warnings about a user's values.
pub(crate) fn of_user(client: &mut SpiClient<'_>, user_id: Uuid) -> Vec<Recorded> {
    let rows = OF_USER.run(client, &[pg_uuid(user_id).into()]);
    let recorded = rows
        .filter_map(|row| Some(Recorded { column: row.get(1).ok().flatten()?, message: row.get(2).ok().flatten()? }));
    recorded.collect()
}

fn message(warning: &FieldError) -> String {
    match &warning.hint {
        Some(hint) => format!("{} {hint}", warning.message),
        None => warning.message.clone().into_owned(),
    }
}
