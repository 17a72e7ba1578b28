//! The triggers: `handle_new_user` and `handle_user_update` on `auth.users`, `configuration_changed` on registrar's own
//! tables.

use pgrx::prelude::*;

use crate::pg::{NewUsers, PgError, configuration, raise_on_return, updated_user};
use crate::store::profile_filling;

/// `SET lock_timeout`: a profile table that a migration has locked must not hold up sign-ups; the profile is then queued.
#[pg_trigger(sql = r#"
    CREATE FUNCTION registrar.handle_new_user() RETURNS trigger
    LANGUAGE c SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '400ms'
    AS '@MODULE_PATHNAME@', 'registrar_handle_new_user';
"#)]
fn handle_new_user<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, PgHeapTupleError> {
    raising(NewUsers::of(trigger).for_each_batch(profile_filling::fill_new));
    // The result of an AFTER trigger is ignored.
    Ok(None)
}

#[pg_trigger(sql = r#"
    CREATE FUNCTION registrar.handle_user_update() RETURNS trigger
    LANGUAGE c SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '400ms'
    AS '@MODULE_PATHNAME@', 'registrar_handle_user_update';
"#)]
fn handle_user_update<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, PgHeapTupleError> {
    if let Some((before, after)) = updated_user(trigger) {
        raising(profile_filling::follow(&before, &after));
    }
    Ok(None)
}

/// What a profile table that blocks fails with is the failure of the sign-up.
fn raising(outcome: Result<(), PgError>) {
    if let Err(error) = outcome {
        raise_on_return(error);
    }
}

/// Makes every session forget what it remembers of a configuration table.
#[pg_trigger(sql = r#"
    CREATE FUNCTION registrar.configuration_changed() RETURNS trigger
    LANGUAGE c
    AS '@MODULE_PATHNAME@', '@FUNCTION_NAME@';
"#)]
fn configuration_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, PgTriggerError> {
    configuration::announce_change(trigger.relid()?);
    Ok(None)
}
