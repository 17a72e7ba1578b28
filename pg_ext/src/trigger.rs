//! `handle_new_user`: the trigger on `auth.users` that gives every new user a profile.

use pgrx::prelude::*;
use uuid::Uuid;

use crate::pg::TriggerRow;
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
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, PgHeapTupleError> {
    let row = trigger.new().and_then(|tuple| tuple.get_by_name::<pgrx::Uuid>("id").ok().flatten());
    if let (Some(id), Some(new)) = (row, TriggerRow::new(trigger)) {
        let source = [
            new.parameter("id", pg_sys::UUIDOID),
            new.parameter("email", pg_sys::TEXTOID),
            new.parameter("phone", pg_sys::TEXTOID),
            new.parameter("raw_user_meta_data", pg_sys::JSONBOID),
            new.parameter("raw_app_meta_data", pg_sys::JSONBOID),
        ];
        profiles::fill_all(Uuid::from_bytes(*id.as_bytes()), &source);
    }
    Ok(trigger.new())
}
