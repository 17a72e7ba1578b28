//! Registering a user.

use registrar_core::{Email, FieldError, FullName, PasswordHash, Registration};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::client::Call;
use crate::new_password;
use crate::retry::Repeatable;
use crate::{Client, Error, Result};

/// A user to be registered. All but the e-mail address is optional; the `Debug` output shows no secret.
#[derive(Debug, Clone)]
pub struct NewUser {
    email: String,
    phone: Option<String>,
    full_name: Option<String>,
    role: Option<String>,
    metadata: Value,
    credential: Option<Credential>,
    hash_in_database: bool,
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone)]
enum Credential {
    Password(SecretString),
    Hash(SecretString),
}

impl NewUser {
    /// A user with this address, to which the verification token is to be sent. The database trims, lower-cases and checks
    /// it.
    #[must_use]
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            phone: None,
            full_name: None,
            role: None,
            metadata: Value::Null,
            credential: None,
            hash_in_database: false,
            idempotency_key: None,
        }
    }

    /// The phone number in E.164, or national where the setting `registrar.default_phone_region` says of which country.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into());
        self
    }

    /// The person's name, one line of up to 200 characters.
    #[must_use]
    pub fn full_name(mut self, name: impl Into<String>) -> Self {
        self.full_name = Some(name.into());
        self
    }

    /// The role in the app, one of `registrar_private.roles`; the default role unless set.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// The app's own data about the user, a JSON object.
    #[must_use]
    pub fn metadata(mut self, object: impl Into<Value>) -> Self {
        self.metadata = object.into();
        self
    }

    /// The plain password, 8 characters to 1024 bytes. It is hashed with argon2id before it leaves the process, unless
    /// [`hash_in_database`](Self::hash_in_database) says otherwise. Replaces a hash that was set before.
    #[must_use]
    pub fn password(mut self, password: impl Into<SecretString>) -> Self {
        self.credential = Some(Credential::Password(password.into()));
        self
    }

    /// The password's hash, made elsewhere: a PHC string of argon2id or argon2i, or bcrypt. Replaces a password that was set
    /// before.
    #[must_use]
    pub fn password_hash(mut self, hash: impl Into<SecretString>) -> Self {
        self.credential = Some(Credential::Hash(hash.into()));
        self
    }

    /// Whether the plain password is sent, to be hashed in the database, for callers without 19 MiB and 30 ms to spare.
    /// The gateway and the database see it then; use TLS.
    #[must_use]
    pub fn hash_in_database(mut self, yes: bool) -> Self {
        self.hash_in_database = yes;
        self
    }

    /// Names this registration, in 1 to 255 visible ASCII characters, so that it can be repeated safely for 24 hours, by
    /// another process too. Unless set, each call of [`Client::register`] makes its own, for its own repetitions.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The call, with the password hashed if it is to be.
    async fn into_call(self) -> Result<Call> {
        let (mut plain, mut hash) = (None, None);
        match self.credential.clone() {
            Some(Credential::Password(password)) if self.hash_in_database => plain = Some(password),
            Some(Credential::Password(password)) => hash = Some(self.hashed(password).await?.expose().into()),
            Some(Credential::Hash(made_elsewhere)) => hash = Some(made_elsewhere),
            None => {}
        }
        let expose = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let parameters = Parameters {
            p_email: self.email,
            p_phone: self.phone,
            p_password_hash: expose(&hash),
            p_full_name: self.full_name,
            p_role: self.role,
            p_password: expose(&plain),
            p_metadata: self.metadata,
            p_idempotency_key: self.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string()),
        };
        Ok(Call::new("register_user_with_token", &parameters, Repeatable::Always))
    }

    async fn hashed(&self, password: SecretString) -> Result<PasswordHash> {
        let known = [self.email.as_str(), self.full_name.as_deref().unwrap_or_default()];
        new_password::hashed(password, &known).await.map_err(|reasons| self.refused(reasons))
    }

    /// The refusal of a password that is never sent, together with what else can be told without asking the database: a
    /// form shows all its errors at once.
    fn refused(&self, password: Vec<FieldError>) -> Error {
        let email = Email::parse(&self.email).err();
        let full_name = FullName::parse(self.full_name.as_deref().unwrap_or_default()).err();
        new_password::refused([email, full_name].into_iter().flatten().chain(password).collect())
    }
}

/// What is sent: only what is set.
#[derive(Serialize)]
struct Parameters {
    p_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_password_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_full_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_password: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    p_metadata: Value,
    p_idempotency_key: String,
}

impl Client {
    /// Registers a user: `registrar.register_user_with_token`, one transaction that makes the user, the verification token
    /// and the profile.
    ///
    /// An address that waits for verification gets a new token, and the older ones no longer work. A call that fails is
    /// repeated as [`Retry`](crate::Retry) says, always under one idempotency key.
    ///
    /// # Errors
    /// [`Error::Api`] with `validation_failed`, `weak_password`, `invalid_role`, `email_exists`, `phone_exists`,
    /// `rate_limited` or `internal`, and every other variant of [`Error`] but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime; while hashing, where the system has no randomness or no 19 MiB of memory.
    pub async fn register(&self, user: NewUser) -> Result<Registration> {
        self.call(user.into_call().await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registrar_core::ErrorCode;
    use serde_json::json;

    const PASSWORD: &str = "correct horse battery staple";

    async fn sent(user: NewUser) -> Value {
        serde_json::from_slice(user.into_call().await.unwrap().body()).unwrap()
    }

    #[tokio::test]
    async fn only_what_is_set_is_sent_and_always_a_key() {
        let user = NewUser::new("user@example.com");
        let (first, second) = (sent(user.clone()).await, sent(user).await);
        assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["p_email", "p_idempotency_key"]);
        assert!(Uuid::parse_str(first["p_idempotency_key"].as_str().unwrap()).is_ok());
        assert_ne!(first["p_idempotency_key"], second["p_idempotency_key"]);
    }

    #[tokio::test]
    async fn every_field_has_its_parameter() {
        let user = NewUser::new("user@example.com")
            .phone("+12024561111")
            .full_name("Full Name")
            .role("customer")
            .metadata(json!({"plan": "free"}))
            .password_hash("$2a$05$hash")
            .idempotency_key("order-7");
        assert_eq!(
            sent(user).await,
            json!({"p_email": "user@example.com", "p_phone": "+12024561111", "p_full_name": "Full Name",
                   "p_role": "customer", "p_metadata": {"plan": "free"}, "p_password_hash": "$2a$05$hash",
                   "p_idempotency_key": "order-7"})
        );
    }

    #[tokio::test]
    async fn a_password_is_hashed_before_it_leaves() {
        let body = sent(NewUser::new("user@example.com").password(PASSWORD)).await;
        assert!(!body.to_string().contains("horse"));
        let hash = PasswordHash::parse(body["p_password_hash"].as_str().unwrap().into()).unwrap();
        assert!(hash.verify(&PASSWORD.into()));
    }

    #[tokio::test]
    async fn the_switch_sends_it_for_hashing_in_the_database() {
        let body = sent(NewUser::new("user@example.com").hash_in_database(true).password(PASSWORD)).await;
        assert_eq!(body["p_password"], PASSWORD);
        assert!(body.get("p_password_hash").is_none());
    }

    #[tokio::test]
    async fn of_password_and_hash_the_later_one_counts() {
        let user = NewUser::new("user@example.com").hash_in_database(true);
        let body = sent(user.clone().password(PASSWORD).password_hash("hash")).await;
        assert_eq!((body.get("p_password"), &body["p_password_hash"]), (None, &json!("hash")));
        let body = sent(user.password_hash("hash").password(PASSWORD)).await;
        assert_eq!((&body["p_password"], body.get("p_password_hash")), (&json!(PASSWORD), None));
    }

    #[tokio::test]
    async fn a_weak_password_is_refused_like_the_database_does() {
        let error = NewUser::new("user@example.com").password("short").into_call().await.err().unwrap();
        let Error::Api { code, status, errors, request_id, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*code, *status, *request_id), (ErrorCode::WeakPassword, 422, None));
        assert_eq!(errors[0].field.as_deref(), Some("password"));
    }

    #[tokio::test]
    async fn a_weak_password_hides_no_other_bad_field() {
        let user = NewUser::new("nonsense").full_name("a\nb").password("x7 Fq");
        let error = user.into_call().await.err().unwrap();
        let Error::Api { code, status, errors, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*code, *status), (ErrorCode::ValidationFailed, 400));
        let fields: Vec<_> = errors.iter().filter_map(|error| error.field.as_deref()).collect();
        assert_eq!(fields, ["email", "full_name", "password"]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let user = NewUser::new("user@example.com");
        let shown = format!("{:?} {:?}", user.clone().password(PASSWORD), user.password_hash("$2a$05$hash"));
        assert!(!shown.contains("horse") && !shown.contains("$2a$"), "{shown}");
    }
}
