//! The rows of profile tables. Each statement runs with the rights of its table's owner: registrar needs none on the
//! app's tables, and what their triggers and defaults call gains none of registrar's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{JSONBOID, TEXTOID, UUIDOID};
use pgrx::spi::SpiClient;
use pgrx::{JsonB, Spi};
use serde_json::Value;
use uuid::Uuid;

use super::profile_tables::{self, ProfileTable};
use super::{audit_log, pg_uuid, plans, profile_failures};
use crate::pg::{self, PgError, TrappedStatement, subtransaction};

/// The parameters of a fill statement: id, e-mail, phone, user metadata, app metadata.
pub(crate) type Source<'a> = [DatumWithOid<'a>; 5];

const SOURCE_TYPES: [pgrx::pg_sys::Oid; 5] = [UUIDOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID];

thread_local! {
    static FILLS: RefCell<HashMap<String, Rc<TrappedStatement>>> = RefCell::default();
}

/// Fills every attached table for a new user. What fails is recorded and leaves the user, and the other profiles, as they
/// are: nothing but a request to stop gets out of here.
pub(crate) fn fill_all(user_id: Uuid, source: &Source<'_>) {
    for table in &attached() {
        if let Err(error) = subtransaction(|| execute(table, &table.fill, source)) {
            record_failure(user_id, table, &error);
        }
    }
}

/// The same for a user whose metadata has changed: overwrites the columns that are filled from it, and forgets a failure
/// that this mends.
pub(crate) fn refill_all(user_id: Uuid, source: &Source<'_>) {
    for table in &attached() {
        let refilled = subtransaction(|| {
            execute(table, &table.refill, source)?;
            Spi::connect_mut(|client| profile_failures::resolve(client, user_id, table));
            Ok(())
        });
        if let Err(error) = refilled {
            record_failure(user_id, table, &error);
        }
    }
}

/// The attached tables; none, with a warning in the server's log, where they cannot even be read.
fn attached() -> Vec<ProfileTable> {
    let tables = subtransaction(|| Ok(Spi::connect_mut(profile_tables::all)));
    tables.unwrap_or_else(|error: PgError| {
        pgrx::warning!("registrar could not read its profile tables ({}): {}", error.sqlstate(), error.message);
        Vec::new()
    })
}

fn execute(table: &ProfileTable, statement: &str, source: &Source<'_>) -> Result<(), PgError> {
    Spi::connect_mut(|client| {
        pg::as_role(owner(table), || {
            let known = FILLS.with_borrow(|fills| fills.get(statement).cloned());
            let plan = known.unwrap_or_else(|| {
                let plan = Rc::new(TrappedStatement::prepare(client, statement, &SOURCE_TYPES));
                FILLS.with_borrow_mut(|fills| fills.insert(statement.to_owned(), Rc::clone(&plan)));
                plan
            });
            plan.execute(client, source)
        })
    })?;
    pg::check_deferred_constraints()
}

/// The owner of the table; where it is missing nobody in particular, and the statement fails with the reason.
fn owner(table: &ProfileTable) -> pgrx::pg_sys::Oid {
    pg::table_owner(&table.schema, &table.name).unwrap_or_else(pg::outer_user_id)
}

/// The failure's row, or where even that fails a warning in the server's log: the sign-up stands in any case.
fn record_failure(user_id: Uuid, table: &ProfileTable, error: &PgError) {
    let recorded = subtransaction(|| {
        Spi::connect_mut(|client| {
            profile_failures::record(client, user_id, table, error);
            let detail = format!("{}.{}: {} {}", table.schema, table.name, error.sqlstate(), error.message);
            audit_log::record(client, audit_log::Action::FillProfile, "internal", Some(user_id), Some(&detail));
        });
        Ok(())
    });
    if let Err(unrecorded) = recorded {
        let unrecorded: PgError = unrecorded;
        pgrx::warning!(
            "registrar could not fill {}.{} ({}: {}), nor record it ({}: {})",
            table.schema,
            table.name,
            error.sqlstate(),
            error.message,
            unrecorded.sqlstate(),
            unrecorded.message
        );
    }
}

/// The user's row in the primary profile table; `None` where there is none, or none that can be read.
pub(crate) fn read_primary(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<Value> {
    let table = profile_tables::all(client).into_iter().next()?;
    let read = subtransaction(|| {
        Ok(Spi::connect_mut(|client| {
            pg::as_role(owner(&table), || {
                let rows = plans::run_text(client, &table.read, &[UUIDOID], &[pg_uuid(user_id).into()]);
                rows.first().get_one::<JsonB>().ok().flatten()
            })
        }))
    });
    read.unwrap_or_else(|_: PgError| None).map(|JsonB(profile)| profile)
}
