//! Users of other systems: read, inserted in batches, and recorded row by row.

mod conflicts;
mod insertion;
mod rows;

use std::collections::{HashMap, HashSet};

use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::{BOOLOID, TEXTOID};
use pgrx::spi::SpiClient;
use registrar_core::{
    ConflictPolicy, FieldError, HashPolicy, ImportMapping, ImportOptions, ImportReport, ImportedUser, RowFault,
    RowOutcome, RowReason, RowReport, SourceRow,
};
use serde_json::Value;
use uuid::Uuid;

use self::conflicts::Conflict;
use super::plans::Statement;
use super::{roles, users};
use crate::pg::PgError;

/// Rows that are read and inserted at once: enough that what a statement costs by itself does not count.
pub(crate) const BATCH: usize = 2_000;

/// An import under way.
pub(crate) struct Import<'i> {
    id: i32,
    run: i32,
    mapping: &'i ImportMapping,
    options: &'i ImportOptions,
    policy: HashPolicy,
}

/// A row that can be a user.
struct Candidate {
    position: i64,
    key: String,
    /// Whether the row was tried before, and is recorded.
    was_tried: bool,
    id: Uuid,
    role: String,
    user: ImportedUser,
}

impl Candidate {
    fn report(&self, outcome: RowOutcome, reason: RowReason, message: impl Into<String>) -> RowReport {
        RowReport { position: self.position, key: self.key.clone(), outcome, reason, message: message.into() }
    }

    fn email(&self) -> Option<&str> {
        self.user.email.as_ref().map(registrar_core::Email::as_str)
    }

    /// In digits, as `auth.users` holds it.
    fn phone(&self) -> Option<&str> {
        self.user.phone.as_ref().map(registrar_core::Phone::digits)
    }
}

// The row is locked: imports of one source go one after the other.
static BEGIN: Statement = Statement::new(
    "INSERT INTO registrar_private.user_imports AS i (source, runs, created_at) VALUES ($1, 1, now())
     ON CONFLICT (source) DO UPDATE SET runs = i.runs + $2::integer RETURNING id, runs",
    &[TEXTOID, BOOLOID],
);

impl<'i> Import<'i> {
    /// Begins a run of a source, or goes on with the one under way.
    pub(crate) fn begin(
        client: &mut SpiClient<'_>,
        source: &str,
        begins: bool,
        mapping: &'i ImportMapping,
        options: &'i ImportOptions,
        policy: HashPolicy,
    ) -> Self {
        let (id, run) =
            BEGIN.run(client, &[source.into(), begins.into()]).first().get_two().expect("the row is returned");
        let (id, run): (Option<i32>, Option<i32>) = (id, run);
        Self { id: id.unwrap_or_default(), run: run.unwrap_or_default(), mapping, options, policy }
    }

    /// Imports the next rows, and counts what became of them.
    ///
    /// # Errors
    /// What no row is to blame for: no room, no right, somebody else's transaction.
    pub(crate) fn rows(&self, batch: &[SourceRow], report: &mut ImportReport) -> Result<(), PgError> {
        report.rows += batch.len() as u64;
        let (mut candidates, mut refused) = Spi::connect_mut(|client| self.candidates(client, batch, report));
        let mut imported = Vec::new();
        // Of rows with one address the first is a user before the second is looked at.
        while !candidates.is_empty() {
            let (now, later) = conflicts::apart(candidates);
            let (mut new, taken) = Spi::connect_mut(|client| conflicts::divide(client, now));
            for (candidate, conflict) in taken {
                refused.push(self.resolve(&candidate, &conflict)?);
            }
            let mut failed = HashMap::new();
            // Indexes are written page by page, where random keys in the order of the source would find each page anew.
            new.sort_unstable_by_key(|candidate| candidate.id);
            insertion::insert(self, &new, 0, &mut failed)?;
            for (place, candidate) in new.into_iter().enumerate() {
                match failed.remove(&place) {
                    None => imported.push(candidate),
                    Some(error) => {
                        refused.push(candidate.report(RowOutcome::Failed, RowReason::Database, told(&error)))
                    }
                }
            }
            candidates = later;
        }
        Spi::connect_mut(|client| rows::record(client, self, &imported, &refused));
        imported.iter().for_each(|_| report.count_imported());
        refused.sort_by_key(|row| row.position);
        refused.into_iter().for_each(|row| report.count(row));
        Ok(())
    }

    /// Reads the rows: those that can be users, and those that cannot. Rows that are done are counted, and neither.
    fn candidates(
        &self,
        client: &mut SpiClient<'_>,
        batch: &[SourceRow],
        report: &mut ImportReport,
    ) -> (Vec<Candidate>, Vec<RowReport>) {
        let keys: Vec<String> = batch.iter().map(|row| row.key(self.mapping)).collect();
        let known = rows::known(client, self.id, &keys);
        let (mut candidates, mut refused, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (row, key) in batch.iter().zip(keys) {
            let position = row.position;
            let known = known.get(&key);
            let is_of_other_row = known.is_some_and(|known| known.run == self.run && known.position != position);
            if is_of_other_row || !seen.insert(key.clone()) {
                let key = format!("{key} (row {position})");
                let message = "Another row of the source has the same key.".to_owned();
                let outcome = self.outcome_of_conflict();
                refused.push(RowReport { position, key, outcome, reason: RowReason::DuplicateId, message });
                continue;
            }
            if known.is_some_and(|known| known.is_done) {
                report.repeated += 1;
                continue;
            }
            let read = row.read(self.mapping, self.options, &self.policy);
            let scheme = read.as_ref().ok().map(|user| user.hash.as_ref().map(|hash| hash.scheme().as_str()));
            if let Some(scheme) = scheme {
                report.count_scheme(scheme);
            }
            let read = read.and_then(|user| fit(client, user));
            match read {
                Ok((user, role)) => {
                    let id = user.id.unwrap_or_else(Uuid::new_v4);
                    candidates.push(Candidate { position, key, was_tried: known.is_some(), id, role, user });
                }
                Err(faults) => {
                    let reason = faults.first().map_or(RowReason::InvalidValue, |fault| fault.reason);
                    let message = faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join(" ");
                    refused.push(RowReport { position, key, outcome: RowOutcome::Failed, reason, message });
                }
            }
        }
        (candidates, refused)
    }

    fn outcome_of_conflict(&self) -> RowOutcome {
        if self.options.on_conflict == ConflictPolicy::Fail { RowOutcome::Failed } else { RowOutcome::Skipped }
    }

    /// What becomes of a row that is in the way of a user, or of another's.
    fn resolve(&self, candidate: &Candidate, conflict: &Conflict) -> Result<RowReport, PgError> {
        let (reason, message) = conflict.told();
        match (self.options.on_conflict, conflict.same_user()) {
            (ConflictPolicy::Merge, Some(user_id)) => {
                let merged = conflicts::merge(self, candidate, user_id);
                match merged {
                    Ok(()) => Ok(candidate.report(RowOutcome::Merged, reason, message)),
                    Err(error) if error.is_of_a_row() => {
                        Ok(candidate.report(RowOutcome::Failed, RowReason::Database, told(&error)))
                    }
                    Err(error) => Err(error),
                }
            }
            (ConflictPolicy::Merge, None) => Ok(candidate.report(RowOutcome::Failed, reason, message)),
            _ => Ok(candidate.report(self.outcome_of_conflict(), reason, message)),
        }
    }
}

/// The values in the order in which an index has them: look-ups one after the other then find the same pages.
fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

/// Whether this database can hold the user, whose role is found.
fn fit(client: &mut SpiClient<'_>, user: ImportedUser) -> Result<(ImportedUser, String), Vec<RowFault>> {
    let fault = |reason, error: FieldError| vec![RowFault { reason, message: error.message.into_owned() }];
    if user.phone.is_some() && !users::keeps_phones(client) {
        return Err(fault(RowReason::InvalidPhone, users::no_phones()));
    }
    // Metadata of another database may name a role of that one's.
    let of_metadata = user.app_metadata.get("role").and_then(Value::as_str);
    let of_metadata = of_metadata.filter(|role| roles::resolve(client, Some(role)).is_ok());
    match roles::resolve(client, user.role.as_deref().or(of_metadata)) {
        Ok(role) => Ok((user, role)),
        Err(error) => Err(fault(RowReason::InvalidRole, error)),
    }
}

/// What PostgreSQL said; its message names tables and constraints, but no values, which stand in the detail.
fn told(error: &PgError) -> String {
    format!("PostgreSQL says {}: {}", error.sqlstate(), error.message_without_values())
}
