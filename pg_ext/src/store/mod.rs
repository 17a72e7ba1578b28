//! SQL and kept plans, one file for each family of tables: the only place with DML text.

pub(crate) mod audit_log;
mod columns;
mod deferrable;
pub(crate) mod idempotency_keys;
pub(crate) mod identities;
pub(crate) mod pending_registrations;
pub(crate) mod plans;
pub(crate) mod profile_failures;
pub(crate) mod profile_tables;
pub(crate) mod profiles;
mod remembered;
pub(crate) mod roles;
pub(crate) mod storage;
pub(crate) mod users;
pub(crate) mod verification_tokens;

fn pg_uuid(id: uuid::Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(id.into_bytes())
}

fn from_pg_uuid(id: pgrx::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*id.as_bytes())
}
