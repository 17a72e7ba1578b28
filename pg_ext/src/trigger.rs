//! The triggers: `handle_new_user` on `auth.users`, `configuration_changed` on registrar's own tables.

use pgrx::prelude::*;

use crate::pg::{TriggerRow, configuration};
use crate::store::profiles;

/// `SET lock_timeout`: a profile table that a migration has locked must not hold up sign-ups; the profile is then queued.
#[pg_trigger(sql = r#"
    CREATE FUNCTION registrar.handle_new_user() RETURNS trigger
    LANGUAGE c SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '400ms'
    AS '@MODULE_PATHNAME@', '@FUNCTION_NAME@';
"#)]
fn handle_new_user<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, PgHeapTupleError> {
    let row = TriggerRow::new(trigger);
    if let Some(user_id) = row.uuid("id") {
        profiles::fill_all(user_id, row.jsonb("raw_user_meta_data"));
    }
    // The result of an AFTER trigger is ignored.
    Ok(None)
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
