//! The calls, one file for each family: thin over [`crate::store`].

mod about;
mod answer;
mod caller;
mod doctor;
mod profile_bulk;
mod profile_operations;
mod profile_tables;
mod profiles;
mod registration;
mod setup;
mod verification;
