//! Client of the **registrar** PostgreSQL extension: register a user, verify the e-mail, resend the token, look after
//! profiles; each one HTTP call that is one transaction.
//!
//! ```no_run
//! use registrar_client::{Client, Error, ErrorCode, NewUser};
//!
//! # async fn run(key: &str) -> Result<(), Error> {
//! let client = Client::builder().url("https://project.supabase.co").service_role_key(key).build()?;
//!
//! match client.register(NewUser::new("user@example.com").full_name("Full Name")).await {
//!     Ok(registration) => {
//!         let verification = registration.verification.expect("a new user has a token");
//!         // … send it by e-mail; what the user brings back is verified:
//!         client.verify_email(verification.token.as_str()).await?;
//!     }
//!     Err(Error::Api { code: ErrorCode::EmailExists, .. }) => println!("Sign in instead."),
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::sign_in`] and [`Client::verify_otp`] open sessions, which [`Client::keep_session`] keeps valid;
//! [`Client::request_password_reset`] and [`Client::change_password`] lead to a new password.
//!
//! [`Client::profiles`] makes, reads, changes and counts profiles, and looks after whole tables of them; the three tables
//! that registrar brings along are typed in [`profile_templates`]. [`Client::doctor`] tells what is wrong with the
//! database, and how it is mended.
//!
//! [`Client::create_user`], [`Client::get_user`], [`Client::list_users`], [`Client::update_user`] and [`Client::delete_user`] are for an
//! app's administration. [`Client::import_user_rows`] takes in the users of another system, who keep their passwords.
//!
//! The address is a Supabase project ([`ClientBuilder::url`]) or a bare PostgREST ([`ClientBuilder::postgrest_url`]).
//! The key is that of `service_role`, so this crate belongs in a back end, never in an app that users hold.
//!
//! The client is thin. Every rule is the database's; the client only hashes passwords before they leave the process,
//! repeats what is safe to repeat ([`Retry`]) and turns every answer into a type. [`Error`] says for each failure what
//! it means and what to do. Passwords, tokens and keys stand in no `Debug` output, log or error of this crate.
//!
//! It runs on Tokio. TLS is rustls with ring and the certificates of the operating system (`SSL_CERT_FILE` names others);
//! no process-wide crypto provider is needed. The proxies of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are used.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod answer;
mod build_info;
mod client;
mod config;
mod doctor;
mod error;
mod new_password;
mod one_time_codes;
mod passwords;
mod profile_calls;
mod profile_pages;
pub mod profile_templates;
mod profile_update;
mod profiles;
mod registration;
mod retry;
mod session_keeper;
mod sign_in;
mod tls;
mod user_import;
mod users;
mod verification;

pub use client::Client;
pub use config::ClientBuilder;
pub use error::{Error, Result};
pub use one_time_codes::{OtpProof, Recipient};
pub use passwords::PasswordChange;
pub use profile_pages::ProfilePages;
pub use profile_update::Change;
pub use profiles::Profiles;
pub use registrar_core::{
    BackfillBatch, BuildInfo, BulkOutcome, CompletionShare, CompletionStatus, DayCount, Envelope, ErrorCode,
    FieldError, Finding, ItemOutcome, MissingField, ProfileCheck, ProfileFailure, ProfilePage, ProfileStats,
    Registration, RepairReport, Resent, Severity, UserProfile, UserProfileData, UserSummary, Verification, Verified,
};
pub use registrar_core::{
    Channel, CodePurpose, FoundSession, ListedSession, LoggedOut, OtpSent, PasswordChanged, PasswordReset,
    PasswordResetRequested, Refreshed, Session, SessionTokens, Sessions, SignedIn,
};
pub use registrar_core::{ConflictPolicy, ImportReport, RowOutcome, RowReason, RowReport, SourceRow};
pub use registrar_core::{User, UserCreate, UserDeleted, UserExportPage, UserPage, UserRead, UserSaved, UserUpdate};
pub use registration::NewUser;
pub use retry::Retry;
pub use secrecy::{ExposeSecret, SecretString};
pub use session_keeper::SessionKeeper;
pub use sign_in::{LogoutScope, SignIn};
pub use user_import::UserImport;
pub use users::UserFilter;
