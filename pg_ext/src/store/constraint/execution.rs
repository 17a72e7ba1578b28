//! How a step is taken: patiently where somebody holds a lock, and never so that others wait long behind it.

use std::time::Duration;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{INT4ARRAYOID, Oid, TEXTARRAYOID, TEXTOID};
use registrar_core::FieldError;

use super::orphans::they_stay;
use super::plan::{Kind, Lock, RunsAs, Step};
use super::progress::Progress;
use super::situation::Situation;
use super::{NotDone, facts, forbidden, internal};
use crate::pg::{self, LockMode, PgError, TrappedStatement, first_returned, lock_table, subtransaction, without_trace};

/// How long one try waits for a lock, in milliseconds. Whoever comes after waits behind it: a sign-up bears two seconds.
const LOCK_TIMEOUT: u32 = 2000;

/// How often a step is tried.
const TRIES: u32 = 4;

/// The pause after the first try; after each further one it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Runs `work`, in which no wait for a lock is longer than one try.
pub(super) fn without_long_waits<T>(work: impl FnOnce() -> T) -> T {
    pg::with_lock_timeout_of(LOCK_TIMEOUT, work)
}

/// Takes a step, and records it.
///
/// # Errors
/// What PostgreSQL refuses, told with what to do.
pub(super) fn execute(step: &Step, situation: &Situation, progress: &mut Progress) -> Result<(), NotDone> {
    let rows = patiently(&step.locks, || {
        lock(&step.locks)?;
        run(step, situation)
    });
    match rows {
        Ok(rows) => {
            progress.record(step, rows);
            Ok(())
        }
        Err(failure) => Err(failure.of_step(step)),
    }
}

/// Takes all locks of all steps.
///
/// # Errors
/// Where one of them is not to be had.
pub(super) fn lock_all(steps: &[Step]) -> Result<(), NotDone> {
    let mut locks: Vec<Lock> = Vec::new();
    // The order is that of the steps that lock several: what sign-ups lock first comes first.
    let several = |step: &&Step| step.locks.len() > 1;
    for lock in steps.iter().filter(several).chain(steps).flat_map(|step| &step.locks) {
        match locks.iter_mut().find(|known| (&known.schema, &known.name) == (&lock.schema, &lock.name)) {
            Some(known) => known.mode = known.mode.max(lock.mode),
            None => locks.push(lock.clone()),
        }
    }
    match patiently(&locks, || Ok(lock(&locks)?)) {
        Ok(()) => Ok(()),
        Err(Failure::Refused(error)) => Err(error.into()),
        Err(Failure::Locked(holders)) => Err(gave_up(&holders).into()),
    }
}

/// Counts what a query of rows counts, leaving no lock; `None` with PostgreSQL's words where it cannot be counted.
///
/// # Errors
/// Where a lock is not to be had.
pub(super) fn count(situation: &Situation, query: &str) -> Result<Result<u64, String>, NotDone> {
    let (table, read) = (&situation.table, LockMode::Read);
    let lock = |schema: &str, name: &str| Lock { schema: schema.to_owned(), name: name.to_owned(), mode: read };
    let locks = [lock(&table.schema, &table.name), lock("auth", "users")];
    match patiently(&locks, || without_trace(|| Ok(run_as(situation.actor, query, None)?))) {
        Ok((_, count)) => Ok(Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())),
        Err(Failure::Refused(error)) if error.is_serialization_failure() => Err(error.into()),
        Err(Failure::Refused(error)) => Ok(Err(error.message.clone())),
        Err(Failure::Locked(holders)) => Err(gave_up(&holders).into()),
    }
}

/// Why something was not done.
enum Failure {
    /// It was not to be had in time; who holds the locks.
    Locked(String),
    Refused(PgError),
}

/// Why a try failed.
enum Unmet {
    /// Another session got in between; another try may succeed.
    Raced,
    Refused(PgError),
}

impl From<PgError> for Unmet {
    fn from(error: PgError) -> Self {
        if error.is_lock_timeout() || error.is_deadlock() { Self::Raced } else { Self::Refused(error) }
    }
}

/// Tries until the locks are to be had, or have not been for a while. A try that fails leaves no lock behind.
fn patiently<T>(locks: &[Lock], work: impl Fn() -> Result<T, Unmet>) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    for tried in 1.. {
        match subtransaction(&work) {
            Ok(done) => return Ok(done),
            Err(Unmet::Refused(error)) => return Err(Failure::Refused(error)),
            Err(Unmet::Raced) if tried == TRIES => break,
            Err(Unmet::Raced) => {}
        }
        pg::pause(pause);
        pause *= 2;
    }
    Err(Failure::Locked(holders(locks)))
}

fn lock(locks: &[Lock]) -> Result<(), PgError> {
    for Lock { schema, name, mode } in locks {
        lock_table(schema, name, *mode).ok_or_else(|| PgError::undefined_table(schema, name))?;
    }
    Ok(())
}

/// Runs the statements, and returns how many rows the last one wrote.
fn run(step: &Step, situation: &Situation) -> Result<u64, Unmet> {
    let table = &situation.table;
    if step.kind == Kind::RemoveOrphans {
        // What the triggers of a table that has replaced it would do is not for this owner's rights.
        let now = lock_table(&table.schema, &table.name, LockMode::Write);
        if !now.is_some_and(|now| now.relation() == table.oid() && now.owner == table.owner()) {
            return Err(PgError::undefined_table(&table.schema, &table.name).into());
        }
    }
    let (mut rows, mut found) = (0, None);
    for statement in &step.statements {
        let returned;
        (rows, returned) = match statement.rights {
            RunsAs::Actor => run_as(situation.actor, &statement.sql, found.as_deref())?,
            RunsAs::Owner => run_as(table.owner(), &statement.sql, found.as_deref())?,
        };
        found = found.or(returned);
    }
    match found {
        Some(found) if came_meanwhile(situation, &found)? => Err(Unmet::Raced),
        _ => Ok(rows),
    }
}

/// Runs a statement, and returns how many rows it wrote or read, and what it returned first. A policy that would hide rows from it is an
/// error: rows of users who are hidden would pass for orphans.
fn run_as(role: Oid, sql: &str, found: Option<&str>) -> Result<(u64, Option<String>), PgError> {
    pg::as_table_owner(role, || {
        pg::with_every_row(|| {
            Spi::connect_mut(|client| {
                let (types, arguments): (&[Oid], &[DatumWithOid<'_>]) =
                    if found.is_some() { (&[TEXTOID], &[found.into()]) } else { (&[], &[]) };
                let rows = TrappedStatement::prepare(client, sql, types).execute(client, arguments)?;
                Ok((rows, first_returned(client)))
            })
        })
    })
}

/// Whether one of the users whose rows were just removed has come in since they were looked for.
fn came_meanwhile(situation: &Situation, found: &str) -> Result<bool, PgError> {
    let query = "SELECT count(*) FROM auth.users AS u WHERE u.id = ANY ($1::uuid[])";
    Ok(run_as(situation.actor, query, Some(found))?.1.as_deref() != Some("0"))
}

impl Failure {
    fn of_step(self, step: &Step) -> NotDone {
        let statements: Vec<_> = step.statements.iter().map(|statement| statement.sql.as_str()).collect();
        let statements = statements.join("; ");
        let error = match self {
            Self::Refused(error) if error.is_serialization_failure() => return error.into(),
            Self::Refused(error) if error.is_foreign_key_violation() && step.kind == Kind::Validation => {
                they_stay(None)
            }
            Self::Refused(error) if error.is_insufficient_privilege() => {
                let hint = format!("It was to execute {statements}. Grant the right, or have a superuser call.");
                forbidden(format!("PostgreSQL does not allow it: {}.", error.message), hint)
            }
            Self::Refused(error) if error.is_object_in_use() => {
                let hint =
                    "Call in a transaction of its own, or CALL registrar.fix_constraint(…), which commits each step.";
                internal(format!("This transaction still works with the table: {}.", error.message), hint)
            }
            Self::Refused(error) => {
                let place = error.context.as_deref().unwrap_or_default().lines();
                let place = place.into_iter().find(|frame| frame.starts_with("PL/pgSQL function"));
                let place = place.map(|place| format!(" in {place}")).unwrap_or_default();
                let hint = format!("PostgreSQL says {}{place}. It was to execute {statements}.", error.sqlstate());
                internal(format!("PostgreSQL refused a statement: {}.", error.message), hint)
            }
            Self::Locked(holders) => gave_up(&holders),
        };
        error.into()
    }
}

fn gave_up(holders: &str) -> FieldError {
    let message =
        format!("The tables are in use: no lock was to be had in {TRIES} tries of at most {LOCK_TIMEOUT} ms each.");
    internal(message, holders)
}

/// Who holds locks that keep these from being had.
fn holders(locks: &[Lock]) -> String {
    let names = |name: fn(&Lock) -> &String| locks.iter().map(name).cloned().collect::<Vec<_>>();
    // The weakest lock that keeps it from being had, as PostgreSQL numbers them.
    let strengths = locks.iter().map(|lock| match lock.mode {
        LockMode::Read => 8,
        LockMode::Validate => 4,
        // Whoever writes may hold a row.
        LockMode::Write | LockMode::Index | LockMode::AddForeignKey => 3,
        LockMode::DropForeignKey => 1,
    });
    let holders: Vec<String> = facts(
        include_str!("../../../sql/constraint/lock_holders.sql"),
        &[TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID],
        &[names(|lock| &lock.schema).into(), names(|lock| &lock.name).into(), strengths.collect::<Vec<i32>>().into()],
    )
    .unwrap_or_default();
    if holders.is_empty() {
        return "Whoever held them has let go by now: call again.".to_owned();
    }
    format!(
        "In the way: {}. Wait for them, or end one with SELECT pg_terminate_backend(…); then call again.",
        holders.join("; ")
    )
}
