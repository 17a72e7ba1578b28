//! What both ends of registrar agree on, and the rules that need no database.
//!
//! The extension validates with this crate, and the client reads the answers with it: there is one definition of the
//! [`Envelope`], of each [`ErrorCode`] and of every model. Nothing here knows PostgreSQL, HTTP or any other I/O.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod access_token;
mod build_info;
mod doctor;
mod email;
mod envelope;
mod error_code;
mod error_context;
mod field_error;
mod full_name;
mod hash_policy;
mod idempotency_key;
mod metadata;
mod one_time_code;
mod password;
mod password_change;
mod password_hash;
mod password_policy;
mod phone;
mod profile;
mod profile_field;
mod registration;
mod secret_hash;
mod session;
mod token;
mod trigger_body;
mod user;
mod user_create;
mod user_fields;
mod user_import;
mod user_update;
mod verification;

pub use access_token::{AccessTokenClaims, ISSUER};
pub use build_info::BuildInfo;
pub use doctor::{Finding, Severity};
pub use email::Email;
pub use envelope::Envelope;
pub use error_code::ErrorCode;
pub use error_context::{ErrorContext, Frame};
pub use field_error::FieldError;
pub use full_name::FullName;
pub use hash_policy::{HashCost, HashPolicy};
pub use idempotency_key::IdempotencyKey;
pub use metadata::Metadata;
pub use one_time_code::{Channel, CodePurpose, OneTimeCode, OtpSent};
pub use password::{Credential, Password};
pub use password_change::{PasswordChanged, PasswordReset, PasswordResetRequested};
pub use password_hash::{ForeignHash, HashFault, HashScheme, PasswordHash, WeakHash};
pub use phone::{Phone, Region};
pub use profile::{
    BackfillBatch, BulkOutcome, CompletionShare, CompletionStatus, DayCount, ItemOutcome, MissingField, ProfileCheck,
    ProfileFailure, ProfilePage, ProfileStats, RepairReport, UserProfile, UserProfileData,
};
pub use profile_field::{Bound, FieldSource, ProfileField, nearest_name};
pub use registration::{NewRegistration, RegisterRequest, Registration, Rules, UserSummary, Verification};
pub use secret_hash::SecretHash;
pub use session::{FoundSession, ListedSession, LoggedOut, Refreshed, Session, SessionTokens, Sessions, SignedIn};
pub use token::Token;
pub use trigger_body::{TriggerBody, WriteKind, WrittenTable};
pub use user::{FoundUser, User, UserDeleted, UserExportPage, UserPage, UserRead, UserSaved};
pub use user_create::UserCreate;
pub use user_import::{
    ConflictPolicy, FirebaseKey, ImportMapping, ImportOptions, ImportReport, ImportedUser, RowFault, RowOutcome,
    RowReason, RowReport, SourceRow, UserField,
};
pub use user_update::{UserChange, UserUpdate};
pub use verification::{Resent, Verified};
