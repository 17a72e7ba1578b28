//! The calls, one file for each family: thin over [`crate::store`].

mod about;
mod answer;
mod caller;
mod profile_bulk;
mod profile_operations;
mod profile_tables;
mod profiles;
mod registration;
mod setup;
mod signup_check;
mod verification;
