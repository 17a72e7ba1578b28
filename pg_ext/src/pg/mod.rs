//! The few things that safe pgrx has no words for. All `unsafe` code of registrar is in this module.

mod advisory_lock;
mod argument;
mod clock;
pub(crate) mod configuration;
mod deferred;
mod dry_run;
mod error;
mod identity;
pub(crate) mod jsonb;
mod new_users;
mod raise;
mod request;
pub(crate) mod row_json;
mod setting;
mod subtransaction;
mod table;
mod trap;
mod user_row;

pub(crate) use advisory_lock::lock_number;
pub(crate) use argument::{Function, Name, Relation};
pub(crate) use clock::{Timestamp, pause, transaction_id, transaction_start};
pub(crate) use deferred::{check_deferred_constraints, has_deferred, settle_deferred_constraints};
pub(crate) use dry_run::{dry_run, is_dry_run, other_open_cursor};
pub(crate) use error::PgError;
pub(crate) use identity::{
    as_registrar, as_role, as_table_owner, caller_role, current_user_id, has_rights_of, has_rights_of_id, is_superuser,
    may_act_as, outer_user_id, role_name, role_named,
};
pub(crate) use jsonb::Jsonb;
pub(crate) use new_users::{NewUsers, updated_user};
pub(crate) use raise::raise_on_return;
pub(crate) use request::{request_claims, request_headers, set_response_status, set_retry_after};
pub(crate) use setting::{
    SettingRights, milliseconds, set_until_rollback, with_every_row, with_indexes, with_lock_timeout,
    with_lock_timeout_of, with_search_path, without_sorting,
};
pub(crate) use subtransaction::{subtransaction, without_trace};
pub(crate) use table::{LockMode, LockedTable, lock_table};
pub(crate) use trap::{TrappedStatement, first_returned, returned_columns};
pub(crate) use user_row::{UserRow, returned_users, user_arrays};
