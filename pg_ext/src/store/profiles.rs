//! The rows of profile tables. Each statement runs with the rights of its table's owner: registrar needs none on the
//! app's tables, and what their triggers and defaults call gains none of registrar's.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid;
use pgrx::pg_sys::{JSONBOID, Oid, UUIDOID};
use pgrx::spi::SpiClient;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::audit_log::{self, Action};
use super::plans::{self, Statement};
use super::profile_tables::{self, ProfileTable, Write};
use super::{deferrable, pg_uuid, profile_failures};
use crate::pg::{self, Jsonb, PgError, TrappedStatement, jsonb, subtransaction};

/// A profile as JSON, with the columns that its table has.
pub(crate) type Profile = Box<RawValue>;

/// Fills every attached table for a new user. What fails is recorded and leaves the user, and the other profiles, as they
/// are: nothing but a request to stop gets out of here.
pub(crate) fn fill_all(user_id: Uuid, metadata: DatumWithOid<'_>) {
    let arguments = arguments(user_id, metadata);
    for (place, table) in attached().iter().enumerate() {
        let is_wanted = place == 0 && handoff::is_wanted();
        let filled = write(table, if is_wanted { Write::InsertAndReturn } else { Write::Insert }, &arguments);
        let filled = filled.or_else(|error| match error.is_race() {
            // A trigger of the app's own may have made the profile already.
            true => write(table, Write::InsertIfMissing, &arguments),
            false => Err(error),
        });
        match filled {
            Ok(profile) if is_wanted => handoff::give(user_id, profile),
            Ok(_) => {}
            Err(error) => record_failure(user_id, table, &error),
        }
    }
}

/// The same for a user whose metadata has changed: overwrites the fields that are filled from it, and forgets a failure
/// that this mends.
pub(crate) fn refill_all(user_id: Uuid, metadata: DatumWithOid<'_>) {
    let arguments = arguments(user_id, metadata);
    for table in attached().iter() {
        let refilled = subtransaction(|| {
            pg::with_lock_timeout(|| write(table, Write::Refill, &arguments))?;
            Spi::connect_mut(|client| profile_failures::resolve(client, user_id, table));
            Ok(())
        });
        if let Err(error) = refilled {
            record_failure(user_id, table, &error);
        }
    }
}

/// Runs a statement that inserts a user, and returns the profile that the trigger fills for it meanwhile: this saves
/// reading it back.
pub(crate) fn filled_by(
    user_id: Uuid,
    insert_user: impl FnOnce() -> Result<(), PgError>,
) -> Result<Option<Profile>, PgError> {
    let wish = handoff::Wish::new();
    insert_user()?;
    Ok(match wish.take(user_id) {
        Some(Some(profile)) => RawValue::from_string(profile).ok(),
        // The app's own trigger made it.
        Some(None) => read_primary(user_id),
        // It failed, or there is no profile table: to read it would only wait for the same lock again.
        None => None,
    })
}

/// How the trigger hands a profile to the call that caused it.
mod handoff {
    use super::{RefCell, Uuid};

    enum Handoff {
        Unwanted,
        Wanted,
        Given(Uuid, Option<String>),
    }

    thread_local! {
        static HANDOFF: RefCell<Handoff> = const { RefCell::new(Handoff::Unwanted) };
    }

    pub(super) fn is_wanted() -> bool {
        HANDOFF.with_borrow(|handoff| !matches!(handoff, Handoff::Unwanted))
    }

    /// Gives the profile, or says that there is one without having it.
    pub(super) fn give(user_id: Uuid, profile: Option<String>) {
        HANDOFF.set(Handoff::Given(user_id, profile));
    }

    /// As long as it lives, the profile is wanted; it ends also when the statement fails.
    pub(super) struct Wish;

    impl Wish {
        pub(super) fn new() -> Self {
            HANDOFF.set(Handoff::Wanted);
            Self
        }

        /// What was given for that user: triggers of the app may have inserted others.
        pub(super) fn take(self, user_id: Uuid) -> Option<Option<String>> {
            match HANDOFF.replace(Handoff::Unwanted) {
                Handoff::Given(owner, profile) if owner == user_id => Some(profile),
                _ => None,
            }
        }
    }

    impl Drop for Wish {
        fn drop(&mut self) {
            HANDOFF.set(Handoff::Unwanted);
        }
    }
}

/// The attached tables; none, with a warning in the server's log, where they cannot even be read.
fn attached() -> Rc<Vec<ProfileTable>> {
    let tables = profile_tables::all(|| subtransaction(|| Ok(Spi::connect_mut(profile_tables::load))));
    tables.unwrap_or_else(|error: PgError| {
        pgrx::warning!("registrar could not read its profile tables ({}): {}", error.sqlstate(), error.message);
        Rc::default()
    })
}

/// The parameters of a statement of [`ProfileTable::statement`]: the user and the metadata as an object.
type Arguments<'a> = [DatumWithOid<'a>; 2];

static UNWRAP: Statement = Statement::new("SELECT $1 #>> '{}'", &[BuiltinOid::JSONBOID]);

/// Some servers store the metadata as the JSON text of an object in a string; it is read as the object.
fn arguments(user_id: Uuid, metadata: DatumWithOid<'_>) -> Arguments<'_> {
    if !jsonb::is_string(&metadata) {
        return [pg_uuid(user_id).into(), metadata];
    }
    let unwrapped = subtransaction(|| {
        let text: Option<String> =
            Spi::connect_mut(|client| UNWRAP.run(client, &[metadata]).first().get_one().ok().flatten());
        Ok::<_, PgError>(DatumWithOid::from(text.and_then(Jsonb::parse_object)))
    });
    [pg_uuid(user_id).into(), unwrapped.unwrap_or_else(|_| DatumWithOid::null_oid(JSONBOID))]
}

/// Writes a profile whole or not at all, and so that no deferred constraint can fail at commit for it.
fn write(table: &ProfileTable, write: Write, arguments: &Arguments<'_>) -> Result<Option<String>, PgError> {
    let checked = subtransaction(|| {
        let profile = execute(table, write, arguments)?;
        if deferrable::in_use()? {
            pg::check_deferred_constraints()?;
        }
        Ok(profile)
    });
    checked.or_else(|error| {
        // Rows that the app has yet to complete fail the check also without the profile: it cannot be judged by it.
        if deferrable::in_use()? && pg::check_deferred_constraints().is_err() {
            subtransaction(|| execute(table, write, arguments))
        } else {
            Err(error)
        }
    })
}

fn execute(table: &ProfileTable, write: Write, arguments: &Arguments<'_>) -> Result<Option<String>, PgError> {
    let owner = lock(table)?;
    Spi::connect_mut(|client| {
        pg::as_role(owner, || {
            let present = table.fields.iter().map(|field| jsonb::has_value(&arguments[1], &field.key)).collect();
            let prepare = |text: &str| TrappedStatement::prepare(client, text, &[UUIDOID, JSONBOID]);
            table.statement(write, present, prepare).execute(client, arguments)
        })
    })
}

/// Holds the table still, and says with whose rights it is written.
fn lock(table: &ProfileTable) -> Result<Oid, PgError> {
    pg::lock_table(&table.schema, &table.name).ok_or_else(|| PgError::undefined_table(&table.schema, &table.name))
}

/// The failure's row, or where even that fails a warning in the server's log: the sign-up stands in any case.
fn record_failure(user_id: Uuid, table: &ProfileTable, error: &PgError) {
    let recorded = subtransaction(|| {
        Spi::connect_mut(|client| {
            profile_failures::record(client, user_id, table, error);
            let detail = format!("{}.{}: {} {}", table.schema, table.name, error.sqlstate(), error.message);
            audit_log::record(client, Action::FillProfile, "internal", Some(user_id), Some(&detail));
        });
        Ok::<_, PgError>(())
    });
    if let Err(unrecorded) = recorded {
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
pub(crate) fn read_primary(user_id: Uuid) -> Option<Profile> {
    let tables = attached();
    let table = tables.first()?;
    let read = |client: &mut SpiClient<'_>| {
        let rows = plans::run_text(client, &table.read_statement(), &[UUIDOID], &[pg_uuid(user_id).into()]);
        rows.first().get_one::<String>().ok().flatten()
    };
    let profile = subtransaction(|| {
        pg::with_lock_timeout(|| {
            let owner = lock(table)?;
            Ok::<_, PgError>(Spi::connect_mut(|client| pg::as_role(owner, || read(client))))
        })
    });
    profile.ok().flatten().and_then(|profile| RawValue::from_string(profile).ok())
}
