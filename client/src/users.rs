//! Users: made, found, listed, changed, deleted, and exported.

use registrar_core::{FoundUser, UserCreate, UserDeleted, UserExportPage, UserPage, UserRead, UserSaved, UserUpdate};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Recipient, Result, new_password};

/// Which users a list is of; all of them unless set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    email_prefix: Option<String>,
    role: Option<String>,
}

impl UserFilter {
    /// Those whose e-mail address begins so.
    #[must_use]
    pub fn email_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.email_prefix = Some(prefix.into());
        self
    }

    /// Those of that role in the app.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }
}

/// A plain password is hashed with argon2id before it leaves the process.
impl Client {
    /// Creates a user: `registrar.create_user`. Other than [`register`](Self::register) it takes users without an e-mail address, and
    /// those whose address counts as verified; a second call is refused with `email_exists`.
    ///
    /// It is repeated only while it is certain that the server did not begin. After an error whose
    /// [`outcome_unknown`](crate::Error::outcome_unknown) is true, the user may be there.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `validation_failed`, `email_exists`, `phone_exists`, `invalid_role` or `weak_password`, and
    /// every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime; while hashing, where the system has no randomness or no 19 MiB of memory.
    pub async fn create_user(&self, mut user: UserCreate) -> Result<UserSaved> {
        let known = [user.email.clone(), user.full_name.clone()].map(Option::unwrap_or_default);
        hash(&mut user.password, &mut user.password_hash, &known).await?;
        let parameters = json!({"p_values": user.to_json()});
        self.call(call("create_user", parameters, Repeatable::UntilBegun)).await
    }

    /// Finds a user: `registrar.get_user`. With a user's access token in the key's place, `None` is that user.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `user_not_found` or `forbidden`, and every other variant but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn get_user(&self, user_id: impl Into<Option<Uuid>>) -> Result<UserRead> {
        self.found(json!({"p_user_id": user_id.into()})).await
    }

    /// Finds the user of an e-mail address or phone number: `registrar.get_user`.
    ///
    /// # Errors
    /// As [`get_user`](Self::get_user), and `validation_failed`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn find_user(&self, recipient: &Recipient) -> Result<UserRead> {
        self.found(recipient.as_user()).await
    }

    async fn found(&self, parameters: Value) -> Result<UserRead> {
        let found: FoundUser = self.call(call("get_user", parameters, Repeatable::Always)).await?;
        Ok(found.user)
    }

    /// The next users after one, up to 10,000, in the order of their ids: `registrar.list_users`. The page's `next` leads to the following
    /// one. Users who come or go between two pages move no other.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `validation_failed`, and every other variant but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn list_users(&self, filter: &UserFilter, after: Option<Uuid>, limit: u32) -> Result<UserPage> {
        let UserFilter { email_prefix, role } = filter;
        let parameters = json!({"p_after": after, "p_limit": limit, "p_email_prefix": email_prefix, "p_role": role});
        self.call(call("list_users", parameters, Repeatable::Always)).await
    }

    /// Changes a user: `registrar.update_user`. What `update` does not have is left alone; `Some(None)` clears. Another e-mail address is
    /// unverified, and the answer has the token to send there; another password ends the user's sessions, `is_active: Some(false)` too.
    ///
    /// With a user's access token in the key's place, `None` is that user, who may not change role, `is_active`, `is_superuser` and
    /// `is_verified`, and address, number and password only within a fresh session.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `validation_failed`, `user_not_found`, `email_exists`, `phone_exists`, `invalid_role`,
    /// `weak_password` or `forbidden`, and every other variant but `Config`.
    ///
    /// # Panics
    /// As [`create_user`](Self::create_user).
    pub async fn update_user(&self, user_id: impl Into<Option<Uuid>>, mut update: UserUpdate) -> Result<UserSaved> {
        let text = |field: &Option<Option<String>>| field.clone().flatten().unwrap_or_default();
        let known = [text(&update.email), text(&update.full_name)];
        hash(&mut update.password, &mut update.password_hash, &known).await?;
        let parameters = json!({"p_user_id": user_id.into(), "p_updates": update.to_json()});
        self.call(call("update_user", parameters, Repeatable::UntilBegun)).await
    }

    /// Deletes a user with everything that belongs to them: `registrar.delete_user`. Where `soft` is true the row stays, without what it said
    /// of them, for the app's own rows that refer to it.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `user_not_found`, or `internal` where rows of the app's keep the user, and every other variant
    /// but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn delete_user(&self, user_id: Uuid, soft: bool) -> Result<UserDeleted> {
        let parameters = json!({"p_user_id": user_id, "p_soft": soft});
        self.call(call("delete_user", parameters, Repeatable::UntilBegun)).await
    }

    /// The next users after one, up to 10,000, as [`import_user_rows`](Self::import_user_rows) reads them back with the preset `supabase`:
    /// `registrar.export_users`. Hashes of passwords are among it only where the owner has allowed that.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `validation_failed` or `forbidden`, and every other variant but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn export_users(&self, after: Option<Uuid>, limit: u32, with_hashes: bool) -> Result<UserExportPage> {
        let parameters = json!({"p_after": after, "p_limit": limit, "p_with_hashes": with_hashes});
        self.call(call("export_users", parameters, Repeatable::Always)).await
    }
}

/// A call with those of the parameters that are set: not every gateway reads `null` as NULL.
fn call(function: &'static str, mut parameters: Value, repeatable: Repeatable) -> Call {
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.retain(|_, value| !value.is_null());
    }
    Call::new(function, &parameters, repeatable)
}

/// Puts the hash of a plain password in its place.
async fn hash(password: &mut Option<SecretString>, hash: &mut Option<SecretString>, known: &[String; 2]) -> Result<()> {
    // Both of them are the database's to refuse.
    if hash.is_none()
        && let Some(plain) = password.take()
    {
        let known = known.each_ref().map(String::as_str);
        let hashed = new_password::hashed(plain, &known).await.map_err(new_password::refused)?;
        *hash = Some(hashed.expose().into());
    }
    Ok(())
}
