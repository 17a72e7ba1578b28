//! What the calls on profiles answer. `P` is the profile's row: [`Value`], or a type of the app's own.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::FieldError;

/// Answer of `create_profile`, `get_profile` and `update_profile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserProfile<P = Value> {
    /// Whose profile it is.
    pub user_id: Uuid,
    /// The value of the table's primary key.
    pub profile_id: Value,
    /// The row, with every column that the table has.
    pub profile: P,
}

/// Answer of `get_profile_completion_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionStatus {
    /// Whether every required field is filled: neither NULL nor an empty text, array or object.
    pub is_complete: bool,
    /// Share of the required fields that are filled, in whole percent, rounded down; 100 where none is required.
    pub completion_percentage: u8,
    /// The required fields that are not filled, in the order in which they were attached.
    pub missing_fields: Vec<String>,
}

/// Answer of `verify_user_profile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCheck<P = Value> {
    /// Whether the user has a profile.
    pub has_profile: bool,
    /// The row, where there is one.
    pub profile: Option<P>,
    /// Whether it is there and complete.
    pub is_complete: bool,
}

/// Answer of `get_user_profile_data`: a user with profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserProfileData<P = Value> {
    /// The user's id.
    pub id: Uuid,
    /// The e-mail address; `None` for users who signed up by phone or anonymously.
    pub email: Option<String>,
    /// The phone number in E.164, with `+`.
    pub phone: Option<String>,
    /// When the user was created.
    pub created_at: Option<DateTime<Utc>>,
    /// The row, where there is one.
    pub profile: Option<P>,
    /// Whether it is there and complete.
    pub profile_complete: bool,
}

/// Answer of `create_profiles`, `update_profiles` and `import_profiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkOutcome {
    /// How many items were done.
    pub succeeded: usize,
    /// How many were not.
    pub failed: usize,
    /// One for each item, in their order.
    pub results: Vec<ItemOutcome>,
}

/// How one item of a bulk call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemOutcome {
    /// Whose profile; `None` where the item names no user.
    pub user_id: Option<Uuid>,
    /// Whether it was done.
    pub success: bool,
    /// The value of the table's primary key, on success.
    pub profile_id: Option<Value>,
    /// Every reason why it was not; empty on success.
    pub errors: Vec<FieldError>,
}

/// Answer of `profile_stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileStats {
    /// The profile table, as `schema.name`.
    pub table: String,
    /// Users, without the soft-deleted ones.
    pub users: u64,
    /// Profiles of theirs.
    pub profiles: u64,
    /// Users without one.
    pub without_profile: u64,
    /// Profiles whose required fields are all filled.
    pub complete: u64,
    /// The others.
    pub incomplete: u64,
    /// How many profiles have which completion percentage, the lowest first.
    pub completion_distribution: Vec<CompletionShare>,
    /// Required fields that are not filled, the most frequent first.
    pub missing_fields: Vec<MissingField>,
    /// Sign-ups and failures of the last days (UTC), the newest first.
    pub days: Vec<DayCount>,
    /// Profiles that failed and are not repaired yet.
    pub open_failures: u64,
    /// Values that did not fit and gave way to the field's default.
    pub warnings: u64,
}

/// Profiles of one completion percentage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionShare {
    /// The percentage.
    pub percentage: u8,
    /// How many profiles have it.
    pub profiles: u64,
}

/// How often a required field is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingField {
    /// The column.
    pub field: String,
    /// How many profiles lack it.
    pub profiles: u64,
}

/// What happened on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// The day, UTC.
    pub day: NaiveDate,
    /// Users created.
    pub sign_ups: u64,
    /// Profiles that failed.
    pub failures: u64,
}

/// Answer of `repair_profiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairReport {
    /// Failures that were tried again.
    pub attempted: u64,
    /// Profiles that are there now.
    pub repaired: u64,
    /// Profiles that failed again.
    pub failed: u64,
    /// Failures that are left in the queue, with those that this call did not get to.
    pub remaining: u64,
    /// The first 100 of those that failed again.
    pub failures: Vec<ProfileFailure>,
}

/// Why a profile could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFailure {
    /// Whose profile.
    pub user_id: Uuid,
    /// The profile table, as `schema.name`.
    pub table: String,
    /// PostgreSQL's code for the error (PostgreSQL documentation, appendix A).
    pub sqlstate: String,
    /// PostgreSQL's message.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Answer of `backfill_profiles_batch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillBatch {
    /// Users that the batch looked at.
    pub users: u64,
    /// Profiles that it made.
    pub created: u64,
    /// Profiles that failed, and are queued for `repair_profiles`.
    pub failed: u64,
    /// Where the next batch begins: pass it as `p_after`. `None` when all users have been looked at.
    pub next: Option<Uuid>,
    /// Users in all, without the soft-deleted ones; told by the first batch only (`p_after` absent).
    pub total: Option<u64>,
}

/// Answer of `export_profiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePage<P = Value> {
    /// The rows, ordered by user.
    pub profiles: Vec<P>,
    /// Where the next page begins: pass it as `p_after`. `None` on the last page.
    pub next: Option<Uuid>,
    /// Profiles in all; told by the first page only (`p_after` absent).
    pub total: Option<u64>,
}
