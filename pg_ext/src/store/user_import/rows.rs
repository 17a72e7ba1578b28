//! `registrar_private.import_rows`.

use std::collections::HashMap;

use pgrx::pg_sys::BuiltinOid::{INT4OID, INT8ARRAYOID, TEXTARRAYOID};
use pgrx::spi::SpiClient;
use registrar_core::RowReport;

use super::{Candidate, Import, sorted};
use crate::pg;
use crate::store::plans::Statement;

/// What became of a row before.
pub(super) struct Known {
    pub(super) position: i64,
    pub(super) run: i32,
    /// Whether it is a user by now.
    pub(super) is_done: bool,
}

// OFFSET 0 has each key looked up by itself: a join of a plan that was made when the table was small would compare each with all rows.
static KNOWN: Statement = Statement::new(
    "SELECT r.key, r.position, r.run, r.outcome IN ('imported', 'merged')
     FROM unnest($2) AS n (key)
     CROSS JOIN LATERAL (
         SELECT * FROM registrar_private.import_rows AS known WHERE known.import_id = $1 AND known.key = n.key OFFSET 0
     ) AS r",
    &[INT4OID, TEXTARRAYOID],
);

/// Those of the rows that were tried before, by their keys.
pub(super) fn known(client: &mut SpiClient<'_>, import_id: i32, keys: &[String]) -> HashMap<String, Known> {
    let rows =
        pg::with_indexes(|| KNOWN.run(client, &[import_id.into(), sorted(keys.iter().map(String::as_str)).into()]));
    rows.filter_map(|row| {
        let (position, run, is_done) = (row.get(2).ok()??, row.get(3).ok()??, row.get(4).ok()??);
        Some((row.get(1).ok()??, Known { position, run, is_done }))
    })
    .collect()
}

static RECORD_IMPORTED: Statement = Statement::new(
    "INSERT INTO registrar_private.import_rows (import_id, run, key, position, outcome)
     SELECT $1, $2, n.key, n.position, 'imported' FROM unnest($3, $4) AS n (key, position)",
    &[INT4OID, INT4OID, TEXTARRAYOID, INT8ARRAYOID],
);

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.import_rows AS r (import_id, run, key, position, outcome, reason, message)
     SELECT $1, $2, n.key, n.position, n.outcome, n.reason, n.message
     FROM unnest($3, $4, $5, $6, $7) AS n (key, position, outcome, reason, message)
     ON CONFLICT (import_id, key) DO UPDATE
     SET run = excluded.run, position = excluded.position, outcome = excluded.outcome, reason = excluded.reason,
         message = excluded.message",
    &[INT4OID, INT4OID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID],
);

/// Records what became of rows. Of most it is known that their keys are new: nobody else writes to this import, and to have PostgreSQL
/// ask for a conflict takes as long as to write the row.
pub(super) fn record(client: &mut SpiClient<'_>, import: &Import<'_>, imported: &[Candidate], refused: &[RowReport]) {
    let (again, mut new): (Vec<&Candidate>, Vec<&Candidate>) = imported.iter().partition(|row| row.was_tried);
    new.sort_unstable_by_key(|row| row.key.as_str());
    if !new.is_empty() {
        let (keys, positions): (Vec<_>, Vec<_>) = new.iter().map(|row| (row.key.as_str(), row.position)).unzip();
        RECORD_IMPORTED.run(client, &[import.id.into(), import.run.into(), keys.into(), positions.into()]);
    }
    if again.is_empty() && refused.is_empty() {
        return;
    }
    let done = again.iter().map(|row| (&row.key, row.position, "imported", None, None));
    let others = refused.iter().map(|row| {
        (&row.key, row.position, row.outcome.as_str(), Some(row.reason.as_str()), Some(row.message.as_str()))
    });
    let (mut keys, mut positions, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut reasons, mut messages) = (Vec::new(), Vec::new());
    for (key, position, outcome, reason, message) in done.chain(others) {
        keys.push(key.as_str());
        positions.push(position);
        outcomes.push(outcome);
        reasons.push(reason);
        messages.push(message);
    }
    let arguments = [
        import.id.into(),
        import.run.into(),
        keys.into(),
        positions.into(),
        outcomes.into(),
        reasons.into(),
        messages.into(),
    ];
    RECORD.run(client, &arguments);
}
