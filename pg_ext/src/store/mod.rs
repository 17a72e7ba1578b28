//! SQL and kept plans, one file for each family of tables: the only place with DML text.

mod access_tokens;
pub(crate) mod api_wrappers;
pub(crate) mod attempts;
pub(crate) mod audit_log;
mod columns;
mod companion;
pub(crate) mod confirmations;
pub(crate) mod constraint;
pub(crate) mod credentials;
mod deferrable;
pub(crate) mod doctor;
pub(crate) mod idempotency_keys;
pub(crate) mod identities;
pub(crate) mod legacy_ids;
mod legacy_passwords;
pub(crate) mod message_sender;
pub(crate) mod migration_script;
mod migration_tables;
pub(crate) mod one_time_codes;
pub(crate) mod password_resets;
pub(crate) mod pending_registrations;
pub(crate) mod plans;
pub(crate) mod profile_attaching;
pub(crate) mod profile_calls;
pub(crate) mod profile_copies;
pub(crate) mod profile_failures;
pub(crate) mod profile_fields;
pub(crate) mod profile_filling;
pub(crate) mod profile_repair;
pub(crate) mod profile_statements;
pub(crate) mod profile_stats;
pub(crate) mod profile_tables;
pub(crate) mod profile_templates;
pub(crate) mod profile_warnings;
pub(crate) mod profiles;
pub(crate) mod public_access;
pub(crate) mod refresh_tokens;
mod remembered;
pub(crate) mod roles;
pub(crate) mod secrets;
pub(crate) mod sessions;
mod setup_grants;
pub(crate) mod signup_check;
pub(crate) mod storage;
pub(crate) mod user_changes;
pub(crate) mod user_deletion;
pub(crate) mod user_export;
pub(crate) mod user_import;
pub(crate) mod user_rows;
pub(crate) mod user_view;
pub(crate) mod users;
pub(crate) mod verification_tokens;

pub(crate) fn pg_uuid(id: uuid::Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(id.into_bytes())
}

pub(crate) fn from_pg_uuid(id: pgrx::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*id.as_bytes())
}
