//! Profiles: one user's, many users', and the upkeep of a whole table.

use registrar_core::{
    BackfillBatch, BulkOutcome, CompletionStatus, ProfileCheck, ProfilePage, ProfileStats, RepairReport, UserProfile,
    UserProfileData,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::profile_calls::{self, Scope};
use crate::{Client, ProfilePages, Result};

/// The calls on one profile table; made by [`Client::profiles`].
///
/// A row is read as any type that serde reads: a type of the app's own, one of
/// [`profile_templates`](crate::profile_templates), or [`serde_json::Value`], which is what `UserProfile` and the other
/// answers hold where no type is named. Values and updates are any type that serde writes as an object of columns.
///
/// ```no_run
/// use registrar_client::{Client, Result, UserProfile};
/// use serde_json::json;
/// use uuid::Uuid;
///
/// #[derive(serde::Deserialize)]
/// struct Row {
///     full_name: Option<String>,
/// }
///
/// # async fn run(client: &Client, user_id: Uuid) -> Result<()> {
/// let profiles = client.profiles().table("public.user_profile");
/// profiles.create::<Row>(user_id, &json!({"full_name": "Full Name"})).await?;
/// let as_json: UserProfile = profiles.update(user_id, &json!({"full_name": null})).await?;
/// let found = profiles.get::<Row>(user_id).await?;
/// assert!(found.profile.full_name.is_none());
/// # Ok(())
/// # }
/// ```
///
/// With the service_role key every call on one user names that user. With a user's access token in the key's place,
/// `None` is the caller's own row, another user's is [`Error::Forbidden`](crate::Error::Forbidden) or a `forbidden` of
/// registrar, and only the calls on one user are allowed.
///
/// Besides the codes that a method names, each may fail with `validation_failed` (no such table, an unknown column, a
/// value that does not fit), `forbidden` or `internal` of [`Error::Api`](crate::Error::Api), and with every other variant
/// of [`Error`](crate::Error) but `Config`. What is repeated after a failure, [`Retry`](crate::Retry) says. Outside a
/// Tokio runtime the methods panic.
#[derive(Debug, Clone)]
pub struct Profiles {
    client: Client,
    scope: Scope,
}

impl Client {
    /// The calls on profiles, at first those of the primary profile table.
    #[must_use]
    pub fn profiles(&self) -> Profiles {
        Profiles { client: self.clone(), scope: Scope::default() }
    }
}

impl Profiles {
    /// Another profile table, like `user_profiles` or `public.user_profiles`; one that was attached to registrar.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.scope.table = Some(name.into());
        self
    }

    /// Whether [`create_many`](Self::create_many) and [`update_many`](Self::update_many) do nothing at all where one item
    /// fails. Unless set, each item stands for itself.
    #[must_use]
    pub fn all_or_nothing(mut self, yes: bool) -> Self {
        self.scope.all_or_nothing = yes;
        self
    }

    /// Makes a profile: `registrar.create_profile`. A column that `values` does not have gets its default.
    ///
    /// A second call would be refused with `profile_exists`, so it is repeated only while it is certain that the server did
    /// not begin. After an error whose [`outcome_unknown`](crate::Error::outcome_unknown) is true, the profile may be
    /// there: look with [`get`](Self::get).
    ///
    /// # Errors
    /// `profile_exists`, `user_not_found`.
    pub async fn create<P: DeserializeOwned>(
        &self,
        user_id: impl Into<Option<Uuid>>,
        values: &(impl Serialize + ?Sized),
    ) -> Result<UserProfile<P>> {
        self.client.call(self.scope.create(user_id.into(), values)?).await
    }

    /// Reads a profile: `registrar.get_profile`.
    ///
    /// # Errors
    /// `profile_not_found`, `user_not_found`.
    pub async fn get<P: DeserializeOwned>(&self, user_id: impl Into<Option<Uuid>>) -> Result<UserProfile<P>> {
        self.client.call(self.scope.read("get_profile", user_id.into())).await
    }

    /// Changes a profile: `registrar.update_profile`. What `updates` does not have is left alone; `null` clears.
    ///
    /// # Errors
    /// `profile_not_found`, `user_not_found`.
    pub async fn update<P: DeserializeOwned>(
        &self,
        user_id: impl Into<Option<Uuid>>,
        updates: &(impl Serialize + ?Sized),
    ) -> Result<UserProfile<P>> {
        self.client.call(self.scope.update(user_id.into(), updates)?).await
    }

    /// How much of a profile is filled, and what is missing: `registrar.get_profile_completion_status`.
    ///
    /// # Errors
    /// `profile_not_found`, `user_not_found`.
    pub async fn completion_status(&self, user_id: impl Into<Option<Uuid>>) -> Result<CompletionStatus> {
        self.client.call(self.scope.read("get_profile_completion_status", user_id.into())).await
    }

    /// Whether a user has a profile, and a complete one: `registrar.verify_user_profile`. That there is none is an answer,
    /// not an error.
    ///
    /// # Errors
    /// `user_not_found`.
    pub async fn verify<P: DeserializeOwned>(&self, user_id: impl Into<Option<Uuid>>) -> Result<ProfileCheck<P>> {
        self.client.call(self.scope.read("verify_user_profile", user_id.into())).await
    }

    /// A user with profile: `registrar.get_user_profile_data`.
    ///
    /// # Errors
    /// `user_not_found`.
    pub async fn user_data<P: DeserializeOwned>(&self, user_id: impl Into<Option<Uuid>>) -> Result<UserProfileData<P>> {
        self.client.call(self.scope.read("get_user_profile_data", user_id.into())).await
    }

    /// Makes the profiles of many users, in one transaction: `registrar.create_profiles`. The outcome tells of each user in
    /// the order given; it is repeated no more than [`create`](Self::create).
    ///
    /// # Errors
    /// None of its own: what one user's profile fails with stands in the outcome.
    pub async fn create_many(&self, user_ids: &[Uuid]) -> Result<BulkOutcome> {
        self.client.call(self.scope.create_many(user_ids)).await
    }

    /// Changes the profiles of many users, in one transaction: `registrar.update_profiles`. The outcome tells of each
    /// item in the order given.
    ///
    /// # Errors
    /// None of its own: what one item fails with stands in the outcome.
    pub async fn update_many(&self, updates: &[(Uuid, impl Serialize)]) -> Result<BulkOutcome> {
        self.client.call(self.scope.update_many(updates)?).await
    }

    /// How many users have profiles, how complete these are, and what failed in the last days: `registrar.profile_stats`.
    ///
    /// # Errors
    /// None of its own.
    pub async fn stats(&self, days: u32) -> Result<ProfileStats> {
        self.client.call(self.scope.stats(days)).await
    }

    /// All rows, page by page, each of so many rows at most.
    #[must_use]
    pub fn export<P: DeserializeOwned>(&self, page_size: u32) -> ProfilePages<P> {
        ProfilePages::new(self.clone(), page_size)
    }

    /// One page of rows, those of the users after this one: `registrar.export_profiles`. The page's `next` leads to the
    /// following one; [`export`](Self::export) follows it.
    ///
    /// # Errors
    /// None of its own.
    pub async fn export_page<P: DeserializeOwned>(&self, after: Option<Uuid>, limit: u32) -> Result<ProfilePage<P>> {
        self.client.call(self.scope.export_page(after, limit)).await
    }

    /// Writes rows as [`export`](Self::export) gave them, over those that the users have: `registrar.import_profiles`. The
    /// outcome tells of each row in the order given. A second import of the same rows changes nothing.
    ///
    /// # Errors
    /// None of its own: what one row fails with stands in the outcome.
    pub async fn import(&self, rows: &[impl Serialize]) -> Result<BulkOutcome> {
        self.client.call(self.scope.import(rows)?).await
    }

    /// Tries profiles again that failed at the sign-up, so many at most: `registrar.repair_profiles`. It is about every
    /// profile table, whatever [`table`](Self::table) says.
    ///
    /// # Errors
    /// None of its own: what fails again stands in the report.
    pub async fn repair(&self, limit: u32) -> Result<RepairReport> {
        self.client.call(profile_calls::repair(limit)).await
    }

    /// Makes the profiles that are missing among the next so many users after this one:
    /// `registrar.backfill_profiles_batch`. The batch's `next` leads to the following one.
    ///
    /// # Errors
    /// None of its own: profiles that fail are counted, and queued for [`repair`](Self::repair).
    pub async fn backfill_batch(&self, after: Option<Uuid>, limit: u32) -> Result<BackfillBatch> {
        self.client.call(self.scope.backfill_batch(after, limit)).await
    }
}
