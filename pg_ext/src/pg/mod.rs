//! The few things that safe pgrx has no words for. All `unsafe` code of registrar is in this module.

mod clock;
pub(crate) mod configuration;
mod deferred;
mod error;
mod identity;
pub(crate) mod jsonb;
mod lock_timeout;
mod request;
mod subtransaction;
mod table;
mod trap;
mod trigger_row;

pub(crate) use clock::{Timestamp, transaction_start};
pub(crate) use deferred::check_deferred_constraints;
pub(crate) use error::PgError;
pub(crate) use identity::{as_role, caller_role, outer_user_id};
pub(crate) use jsonb::Jsonb;
pub(crate) use lock_timeout::with_lock_timeout;
pub(crate) use request::{request_headers, set_response_status};
pub(crate) use subtransaction::subtransaction;
pub(crate) use table::lock_table;
pub(crate) use trap::TrappedStatement;
pub(crate) use trigger_row::TriggerRow;
