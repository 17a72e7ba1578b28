//! The one model of a user, whatever system the user came from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Verification;

/// A user, as the view `registrar.users` has one. What is true of a user stands in `auth.users`, so that Supabase Auth agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The key in `auth.users`, and the same in every row that belongs to the user.
    pub id: Uuid,
    /// The address, lower-cased; `None` for users who signed up by phone or anonymously.
    pub email: Option<String>,
    /// The phone number in E.164, with `+`.
    pub phone: Option<String>,
    /// Whether the user may sign in: not banned now.
    pub is_active: bool,
    /// Whether the user may do everything in the app: `is_superuser` in the app metadata, which the user cannot change. It gives no
    /// right in the database.
    pub is_superuser: bool,
    /// Whether the address is confirmed, or the number of a user without one.
    pub is_verified: bool,
    /// The role in the app, one of `registrar_private.roles`; a row of another origin may have none.
    pub role: Option<String>,
    /// The key of the user's row in the primary profile table, where there is one.
    pub profile_id: Option<Value>,
    /// When the user was created, UTC.
    pub created_at: Option<DateTime<Utc>>,
    /// When the user was last changed, UTC; a sign-in is a change.
    pub updated_at: Option<DateTime<Utc>>,
    /// When the user last signed in, UTC.
    pub last_sign_in_at: Option<DateTime<Utc>>,
}

/// What is safe to return of a user: all that a [`User`] has. No hash and no token is part of the model, so that none can slip out.
pub type UserRead = User;

/// Answer of `create_user` and `update_user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSaved {
    /// The user as it is now.
    pub user: UserRead,
    /// The token to send, where a new address is to be verified; `None` for everybody but a back end, who has the token sent.
    pub verification: Option<Verification>,
    /// How many sessions were ended by it.
    pub sessions_ended: u64,
}

/// Answer of `get_user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundUser {
    /// The user.
    pub user: UserRead,
}

/// Answer of `list_users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPage {
    /// The users, ordered by id: the order of two pages cannot change between them.
    pub users: Vec<UserRead>,
    /// Where the next page begins: pass it as `p_after`. `None` on the last page.
    pub next: Option<Uuid>,
}

/// Answer of `delete_user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// Whom it was.
    pub user_id: Uuid,
    /// Whether the row is still there, without what it said of the user, so that the app's own rows keep whom they refer to.
    pub soft: bool,
}

/// Answer of `export_users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserExportPage {
    /// The users, ordered by id, each with the columns of `auth.users` that the import's preset `supabase` reads; with
    /// `encrypted_password` where hashes were asked for.
    pub users: Vec<Map<String, Value>>,
    /// Where the next page begins: pass it as `p_after`. `None` on the last page.
    pub next: Option<Uuid>,
    /// Users in all; told by the first page only (`p_after` absent).
    pub total: Option<u64>,
    /// Users of this page whose hash stays behind: it cannot be verified without the pepper of the app that made it.
    pub peppered: u64,
}
