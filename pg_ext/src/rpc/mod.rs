//! The calls, one file for each family: thin over [`crate::store`].

mod about;
mod answer;
mod registration;
mod setup;
mod verification;
