//! Profiles filled without anybody asking: for new users, for changed ones, for those that failed or were never filled.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::pg_sys::JSONBOID;
use pgrx::spi::SpiClient;
use registrar_core::FieldError;
use uuid::Uuid;

use super::audit_log::{self, Action};
use super::plans::Statement;
use super::profile_fields::ValueFrom;
use super::profile_statements::{Returning, Shape, Users, Write};
use super::profile_tables::{self, OnFailure, ProfileTable};
use super::profiles::{self, Rights, Row, Values};
use super::{profile_failures, profile_warnings};
use crate::pg::{self, PgError, UserRow, jsonb, subtransaction};

/// Fills every attached table for new users. What fails is recorded and leaves the user, and the other profiles, as they
/// are: nothing but a request to stop, or the failure of a table that is to block, gets out of here.
pub(crate) fn fill_new(users: &[UserRow<'_>]) -> Result<(), PgError> {
    for (place, table) in profile_tables::attached().iter().enumerate() {
        let is_wanted = place == 0 && handoff::is_wanted();
        let returning = if is_wanted { Returning::Row } else { Returning::Nothing };
        for (user, filled) in fill(table, users, returning) {
            match filled {
                Ok(profile) if is_wanted => handoff::give(user.id, profile),
                Ok(_) => {}
                Err(error) => failed(user.id, table, error)?,
            }
        }
    }
    Ok(())
}

/// The outcome for one user: the row in binary form, where it was to be returned.
type Filled = Result<Option<Vec<u8>>, PgError>;

/// Makes the profiles of users, in one statement where their values fit, else one by one. Where all went well at once there
/// is nothing to tell of any user.
fn fill<'u, 't>(
    table: &ProfileTable,
    users: &'u [UserRow<'t>],
    returning: Returning,
) -> Vec<(&'u UserRow<'t>, Filled)> {
    let is_unwrapped =
        |user: &UserRow<'_>| ![&user.user_metadata, &user.app_metadata].into_iter().any(jsonb::is_string);
    let is_many = users.len() > 1 && users.iter().all(is_unwrapped);
    if is_many {
        match profiles::insert_all(table, users) {
            Ok(()) => return Vec::new(),
            // Who waited for the lock once has waited for all.
            Err(error) if error.is_lock_timeout() => {
                return users.iter().map(|user| (user, Err(error.clone()))).collect();
            }
            Err(_) => {}
        }
    }
    users.iter().map(|user| (user, fill_one(table, user, Write::Insert, returning))).collect()
}

/// Makes one profile. A value that does not fit gives way to the default, with a warning.
fn fill_one(table: &ProfileTable, user: &UserRow<'_>, write: Write, returning: Returning) -> Filled {
    let mut values = Values::of(user, DatumWithOid::null_oid(JSONBOID));
    let fields = values.checked(table);
    let is_guarded = values.is_guarded();
    let mut shape = Shape { write, users: Users::One, fields, is_guarded, brings_key: true, returning };
    let mut warnings = Vec::new();
    let filled = loop {
        let misfit = match profiles::write(table, &shape, &values, Rights::Owner) {
            Ok(done) if done.rows > 0 => break Ok(done.row),
            // A trigger of the app's own may have made the profile already.
            Ok(_) if shape.write == Write::InsertIfMissing && profiles::read(table, user.id).is_some() => {
                break Ok(None);
            }
            Ok(_) => PgError::not_written(),
            Err(error) if error.is_race() && shape.write == Write::Insert => {
                shape.write = Write::InsertIfMissing;
                continue;
            }
            Err(error) if error.is_of_data() => error,
            Err(error) => break Err(error),
        };
        let given_up = give_up_misfits(table, &mut shape, &values, &misfit);
        if given_up.is_empty() {
            break Err(misfit);
        }
        warnings.extend(given_up);
    };
    if filled.is_ok() && !warnings.is_empty() {
        record_warnings(user.id, table, &warnings);
    }
    filled
}

/// Leaves the fields out whose values are to blame for a refusal, and tells why.
fn give_up_misfits(table: &ProfileTable, shape: &mut Shape, values: &Values<'_>, error: &PgError) -> Vec<FieldError> {
    // The texts that were checked are parameters in a row: without one of them the others would not be in their places.
    shape.fields.iter_mut().filter(|from| from.is_some()).for_each(|from| *from = Some(ValueFrom::Source));
    let misfits = profiles::misfits(table, &shape.fields, values, Rights::Owner);
    for (place, _) in &misfits {
        shape.fields[*place] = None;
    }
    if !misfits.is_empty() {
        return misfits.into_iter().map(|(place, misfit)| table.fields[place].error(misfit)).collect();
    }
    let mut warnings = Vec::new();
    for (field, from) in table.fields.iter().zip(&mut shape.fields).filter(|(_, from)| from.is_some()) {
        if let Some(warning) = profiles::blame(table, field, values, error) {
            *from = None;
            warnings.push(warning);
        }
    }
    warnings
}

/// Fills the profiles of a user again after a registration took effect: overwrites the fields that have a source, and
/// forgets a failure that this mends.
pub(crate) fn refill(user: &UserRow<'_>) -> Result<(), PgError> {
    for table in profile_tables::attached().iter() {
        let done = subtransaction(|| {
            pg::with_lock_timeout(|| fill_one(table, user, Write::Refill, Returning::Nothing))?;
            Spi::connect_mut(|client| profile_failures::resolve(client, user.id, table));
            Ok(())
        });
        if let Err(error) = done {
            failed(user.id, table, error)?;
        }
    }
    Ok(())
}

/// Lets the fields marked `sync` follow a change of the user; all that have a source where an anonymous user becomes a
/// permanent one.
pub(crate) fn follow(before: &UserRow<'_>, after: &UserRow<'_>) -> Result<(), PgError> {
    let became_permanent = becomes_permanent(before, after);
    let null = || DatumWithOid::null_oid(JSONBOID);
    let (old, new) = (Values::of(before, null()), Values::of(after, null()));
    for table in profile_tables::attached().iter() {
        let follows =
            |place: usize| table.fields[place].spec.sync || became_permanent && table.fields[place].has_source();
        let changed: Vec<_> = (0..table.fields.len())
            .map(|place| {
                let changed = follows(place) && old.differs(&new, &table.fields[place]);
                changed.then_some(ValueFrom::Source)
            })
            .collect();
        if changed.iter().all(Option::is_none) {
            continue;
        }
        if let Err(error) = update(table, &new, changed) {
            failed(after.id, table, error)?;
        }
    }
    Ok(())
}

thread_local! {
    /// Who ceased to be anonymous, in which transaction.
    static PERMANENT: RefCell<(Option<u32>, HashSet<Uuid>)> = RefCell::default();
}

/// Supabase Auth takes two statements of one transaction for it, now the one first and now the other: the user ceases to be
/// anonymous, and has an address or a number.
fn becomes_permanent(before: &UserRow<'_>, after: &UserRow<'_>) -> bool {
    let transaction = pg::transaction_id();
    PERMANENT.with_borrow_mut(|(known, users)| {
        if *known != transaction {
            (*known, *users) = (transaction, HashSet::new());
        }
        let has_contact = |user: &UserRow<'_>| jsonb::has_text(&user.email) || jsonb::has_text(&user.phone);
        if before.is_anonymous && (!after.is_anonymous || has_contact(after) && !has_contact(before)) {
            users.insert(after.id);
        }
        users.contains(&after.id)
    })
}

/// Overwrites fields of a profile; one whose new value does not fit keeps the old one, with a warning.
fn update(table: &ProfileTable, values: &Values<'_>, fields: Vec<Option<ValueFrom>>) -> Result<(), PgError> {
    let mut shape = Shape {
        write: Write::Update,
        users: Users::One,
        fields,
        is_guarded: values.is_guarded(),
        brings_key: false,
        returning: Returning::Nothing,
    };
    let mut warnings = Vec::new();
    while shape.fields.iter().any(Option::is_some) {
        let misfit = match profiles::write(table, &shape, values, Rights::Owner) {
            Ok(done) if done.rows > 0 => break,
            Ok(_) => PgError::not_written(),
            Err(error) if error.is_of_data() => error,
            Err(error) => return Err(error),
        };
        let given_up = give_up_misfits(table, &mut shape, values, &misfit);
        if given_up.is_empty() {
            // No row was there to update: the user has no profile, which is another matter.
            return if misfit.is_not_written() { Ok(()) } else { Err(misfit) };
        }
        warnings.extend(given_up);
    }
    if !warnings.is_empty() {
        record_warnings(values.user_id, table, &warnings);
    }
    Ok(())
}

/// Makes the profiles of those of the users who have none, and queues what fails, whatever the table's policy: nobody is
/// signing up. Returns how many were made and how many failed.
///
/// Another backfill of the table is waited for: what it makes is not seen before it commits, and would be made twice.
pub(crate) fn backfill(
    client: &mut SpiClient<'_>,
    table: &ProfileTable,
    users: Vec<UserRow<'_>>,
) -> Result<(u64, u64), PgError> {
    LOCK_BACKFILL.run(client, &[table.display_name().into()]);
    let missing = profiles::without(table, users)?;
    let mut failures = 0;
    pg::with_lock_timeout(|| {
        for (user, filled) in fill(table, &missing, Returning::Nothing) {
            if let Err(error) = filled {
                record_failure(user.id, table, &error);
                failures += 1;
            }
        }
    });
    Ok((missing.len() as u64 - failures, failures))
}

static LOCK_BACKFILL: Statement = Statement::new(
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('registrar.backfill ' || $1, 0))",
    &[TEXTOID],
);

/// Tries a queued failure again; `Err` holds the reason why it fails still. Whoever has a profile by now failed to follow a change,
/// or was given it by hand: the fields marked `sync` are written.
pub(crate) fn retry(table: &ProfileTable, user: &UserRow<'_>) -> Result<(), PgError> {
    let work = || match profiles::read(table, user.id) {
        None => fill_one(table, user, Write::InsertIfMissing, Returning::Nothing).map(drop),
        Some(_) => {
            let values = Values::of(user, DatumWithOid::null_oid(JSONBOID));
            let synced = table.fields.iter().map(|field| field.spec.sync.then_some(ValueFrom::Source)).collect();
            update(table, &values, synced)
        }
    };
    let retried = subtransaction(|| {
        pg::with_lock_timeout(work)?;
        Spi::connect_mut(|client| profile_failures::resolve(client, user.id, table));
        Ok(())
    });
    if let Err(error) = &retried {
        // No row in the audit log: that the profile failed is there already.
        let recorded = subtransaction(|| {
            Spi::connect_mut(|client| profile_failures::record(client, user.id, table, error));
            Ok::<_, PgError>(())
        });
        if let Err(unrecorded) = recorded {
            warn_unrecorded(table, error, &unrecorded);
        }
    }
    retried
}

/// What the table's policy makes of a failure.
fn failed(user_id: Uuid, table: &ProfileTable, error: PgError) -> Result<(), PgError> {
    match table.on_failure {
        OnFailure::Queue => record_failure(user_id, table, &error),
        OnFailure::Block => return Err(error),
        OnFailure::Ignore => {}
    }
    Ok(())
}

/// The failure's row, or where even that fails a warning in the server's log: the sign-up stands in any case.
fn record_failure(user_id: Uuid, table: &ProfileTable, error: &PgError) {
    let recorded = subtransaction(|| {
        Spi::connect_mut(|client| {
            profile_failures::record(client, user_id, table, error);
            let detail = format!("{}: {} {}", table.display_name(), error.sqlstate(), error.message);
            audit_log::record(client, Action::FillProfile, "internal", Some(user_id), Some(&detail));
        });
        Ok::<_, PgError>(())
    });
    if let Err(unrecorded) = recorded {
        warn_unrecorded(table, error, &unrecorded);
    }
}

fn warn_unrecorded(table: &ProfileTable, error: &PgError, unrecorded: &PgError) {
    pgrx::warning!(
        "registrar could not fill {} ({}: {}), nor record it ({}: {})",
        table.display_name(),
        error.sqlstate(),
        error.message,
        unrecorded.sqlstate(),
        unrecorded.message
    );
}

fn record_warnings(user_id: Uuid, table: &ProfileTable, warnings: &[FieldError]) {
    let recorded = subtransaction(|| {
        Spi::connect_mut(|client| profile_warnings::record(client, user_id, table, warnings));
        Ok::<_, PgError>(())
    });
    if let Err(error) = recorded {
        pgrx::warning!("registrar could not record a warning ({}): {}", error.sqlstate(), error.message);
    }
}

/// Runs a statement that inserts a user, and returns the profile that the trigger fills for it meanwhile: this saves
/// reading it back.
pub(crate) fn filled_by(
    user_id: Uuid,
    insert_user: impl FnOnce() -> Result<(), PgError>,
) -> Result<Option<Row>, PgError> {
    let wish = handoff::Wish::new();
    insert_user()?;
    Ok(match wish.take(user_id) {
        Some(Some(profile)) => Some(Row::Stored(profile)),
        // The app's own trigger made it.
        Some(None) => primary_of(user_id),
        // It failed, or there is no profile table: to read it would only wait for the same lock again.
        None => None,
    })
}

/// The user's row in the primary profile table.
pub(crate) fn primary_of(user_id: Uuid) -> Option<Row> {
    let tables = profile_tables::attached();
    tables.first().map(Rc::clone).and_then(|table| profiles::read(&table, user_id)).map(Row::Text)
}

/// How the trigger hands a profile to the call that caused it.
mod handoff {
    use std::cell::RefCell;

    use uuid::Uuid;

    enum Handoff {
        Unwanted,
        Wanted,
        Given(Uuid, Option<Vec<u8>>),
    }

    thread_local! {
        static HANDOFF: RefCell<Handoff> = const { RefCell::new(Handoff::Unwanted) };
    }

    pub(super) fn is_wanted() -> bool {
        HANDOFF.with_borrow(|handoff| !matches!(handoff, Handoff::Unwanted))
    }

    /// Gives the profile, or says that there is one without having it.
    pub(super) fn give(user_id: Uuid, profile: Option<Vec<u8>>) {
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
        pub(super) fn take(self, user_id: Uuid) -> Option<Option<Vec<u8>>> {
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
