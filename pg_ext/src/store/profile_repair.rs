//! Queued failures tried again.

use std::collections::HashMap;

use pgrx::pg_sys::BuiltinOid::INT8OID;
use pgrx::spi::SpiClient;
use registrar_core::{ProfileFailure, RepairReport};
use uuid::Uuid;

use super::plans::Statement;
use super::{from_pg_uuid, profile_failures, profile_filling, profile_tables, user_rows};
use crate::pg::UserRow;

/// Failures told of: a report is read by people.
const MAX_TOLD: usize = 100;

// The longest waiting first; a table that is not attached any more has nothing to be retried by.
static QUEUED: Statement = Statement::new(
    "SELECT f.user_id, f.schema_name::text, f.table_name::text
     FROM registrar_private.profile_failures AS f
     JOIN registrar_private.profile_tables AS t USING (schema_name, table_name)
     ORDER BY f.occurred_at, f.user_id
     LIMIT $1",
    &[INT8OID],
);

static COUNT: Statement = Statement::new("SELECT count(*) FROM registrar_private.profile_failures", &[]);

/// Tries the failures that wait the longest again, and says what became of them.
pub(crate) fn repair(client: &mut SpiClient<'_>, limit: i64) -> RepairReport {
    let mut queued: Vec<(Uuid, String, String)> = Vec::new();
    for row in QUEUED.run(client, &[limit.into()]) {
        if let (Ok(Some(id)), Ok(Some(schema)), Ok(Some(table))) = (row.get(1), row.get(2), row.get(3)) {
            queued.push((from_pg_uuid(id), schema, table));
        }
    }
    let ids: Vec<Uuid> = queued.iter().map(|(id, ..)| *id).collect();
    let users = user_rows::of_ids(client, &ids);
    let users: HashMap<Uuid, &UserRow<'_>> = users.iter().map(|user| (user.id, user)).collect();
    let mut report = RepairReport { attempted: 0, repaired: 0, failed: 0, remaining: 0, failures: Vec::new() };
    for (id, schema, name) in &queued {
        let display_name = format!("{schema}.{name}");
        // A soft-deleted user needs no profile.
        let (Some(table), Some(user)) = (profile_tables::named(Some(&display_name)), users.get(id)) else { continue };
        report.attempted += 1;
        match profile_filling::retry(&table, user) {
            Ok(()) => report.repaired += 1,
            Err(error) => {
                report.failed += 1;
                if report.failures.len() < MAX_TOLD {
                    report.failures.push(ProfileFailure {
                        user_id: *id,
                        table: display_name,
                        sqlstate: error.sqlstate(),
                        message: error.message.clone(),
                        hint: Some(profile_failures::hint(&table, &error)),
                    });
                }
            }
        }
    }
    let remaining: Option<i64> = COUNT.run(client, &[]).first().get_one().ok().flatten();
    report.remaining = remaining.and_then(|remaining| u64::try_from(remaining).ok()).unwrap_or_default();
    report
}
