//! The calls, one file for each family: thin over [`crate::store`].

mod about;
mod answer;
mod api_wrappers;
mod caller;
mod constraint;
mod doctor;
mod identifier;
mod limits;
mod migration;
mod one_time_codes;
mod passwords;
mod profile_bulk;
mod profile_operations;
mod profile_tables;
mod profiles;
mod public_access;
mod registration;
mod secrets;
pub(crate) mod session_check;
mod sessions;
mod setup;
mod sign_in;
mod signup_check;
mod user_import;
mod user_import_rows;
mod verification;
