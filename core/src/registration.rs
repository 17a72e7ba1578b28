//! A registration: what is asked, what is checked, what is answered.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Credential, Email, FieldError, FullName, HashPolicy, IdempotencyKey, Metadata, Phone, Region};

/// The parameters of `register_user_with_token`, unchecked. A blank e-mail, phone or name is as none.
#[derive(Debug, Default)]
pub struct RegisterRequest {
    /// The address that the token is sent to.
    pub email: Option<String>,
    /// In E.164, or national where [`Rules::default_phone_region`] is set.
    pub phone: Option<String>,
    /// A hash made by the caller; excludes `password`.
    pub password_hash: Option<SecretString>,
    /// The person's name, stored in the user's metadata as `full_name`.
    pub full_name: Option<String>,
    /// The plain password, to be hashed in the database.
    pub password: Option<SecretString>,
    /// The app's own data about the user, as JSON text.
    pub metadata: Option<String>,
    /// Makes the call safe to retry.
    pub idempotency_key: Option<String>,
}

/// What the owner of the database can set about the checks.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The country whose national phone numbers are understood.
    pub default_phone_region: Option<Region>,
    /// Largest metadata, in bytes of JSON text as PostgreSQL prints it.
    pub max_metadata_bytes: usize,
    /// What hashes of passwords may cost.
    pub hashes: HashPolicy,
}

/// A registration whose every field holds. The role is not among them: only the database knows which there are.
#[derive(Debug)]
pub struct NewRegistration {
    /// The address.
    pub email: Email,
    /// The phone number, if any.
    pub phone: Option<Phone>,
    /// The password or its hash, if any.
    pub credential: Option<Credential>,
    /// The app's data with `full_name` in it.
    pub metadata: Metadata,
    /// The idempotency key, if any.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl RegisterRequest {
    /// Checks every field.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that does not hold, in the order of the parameters.
    pub fn check(self, rules: &Rules) -> Result<NewRegistration, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = FieldError::kept(&mut errors, Email::parse(self.email.as_deref().unwrap_or_default()));
        let phone = FieldError::kept(
            &mut errors,
            Phone::parse(self.phone.as_deref().unwrap_or_default(), rules.default_phone_region),
        );
        let known = [self.email.as_deref(), self.full_name.as_deref()].map(Option::unwrap_or_default);
        let credential = match Credential::parse(self.password_hash, self.password, &known, &rules.hashes) {
            Ok(credential) => Some(credential),
            Err(reasons) => {
                errors.extend(reasons);
                None
            }
        };
        let full_name = FieldError::kept(&mut errors, FullName::parse(self.full_name.as_deref().unwrap_or_default()));
        let metadata = self.metadata.as_deref().unwrap_or("null");
        let metadata = FieldError::kept(&mut errors, Metadata::parse(metadata, rules.max_metadata_bytes));
        let key = self.idempotency_key.as_deref().map(IdempotencyKey::parse).transpose();
        let idempotency_key = FieldError::kept(&mut errors, key);
        match (email, phone, credential, full_name, metadata, idempotency_key) {
            (Some(email), Some(phone), Some(credential), Some(full_name), Some(metadata), Some(idempotency_key)) => {
                let metadata = metadata.with_full_name(full_name.as_ref());
                Ok(NewRegistration { email, phone, credential, metadata, idempotency_key })
            }
            _ => Err(errors),
        }
    }
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration<P = Value> {
    /// The user, created now or waiting for verification since an earlier registration.
    pub user: UserSummary,
    /// The row of the primary profile table; `null` where none is attached or filling it failed (it is then queued).
    pub profile: Option<P>,
    /// The token to send; `null` where an idempotent retry finds the e-mail already verified.
    pub verification: Option<Verification>,
}

/// What is safe to show of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    /// The key in `auth.users`, and the same in every row that belongs to the user.
    pub id: Uuid,
    /// The address, lower-cased.
    pub email: Option<String>,
    /// The phone number in E.164.
    pub phone: Option<String>,
    /// The role in the app, one of `registrar_private.roles`; a row of another origin may have none.
    pub role: Option<String>,
    /// When the e-mail address was verified, UTC.
    pub email_confirmed_at: Option<DateTime<Utc>>,
    /// When the user was created, UTC.
    pub created_at: DateTime<Utc>,
    /// When the user was last changed, UTC.
    pub updated_at: DateTime<Utc>,
}

/// A verification token and the end of its life.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// 64 characters of base64url; send it to the user and store it nowhere.
    pub token: String,
    /// When it ceases to be valid, UTC.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification").field("token", &"[redacted]").field("expires_at", &self.expires_at).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules { default_phone_region: None, max_metadata_bytes: 1000, hashes: HashPolicy::default() }
    }

    #[test]
    fn an_email_alone_is_enough() {
        let request = RegisterRequest { email: Some("User@Example.com".into()), ..Default::default() };
        let checked = request.check(&rules()).unwrap();
        assert_eq!(checked.email.as_str(), "user@example.com");
        assert!(checked.phone.is_none() && checked.credential.is_none());
    }

    #[test]
    fn all_bad_fields_are_reported_at_once_in_order() {
        let request = RegisterRequest {
            email: Some("nonsense".into()),
            phone: Some("12".into()),
            password_hash: Some("x".into()),
            full_name: Some("a\nb".into()),
            password: Some("long enough".into()),
            metadata: Some("[]".into()),
            idempotency_key: Some(String::new()),
        };
        let fields: Vec<_> = request.check(&rules()).unwrap_err().into_iter().map(|e| e.field.unwrap()).collect();
        assert_eq!(fields, ["email", "phone", "password_hash", "full_name", "metadata", "idempotency_key"]);
    }

    #[test]
    fn the_name_goes_into_the_metadata() {
        let request = RegisterRequest {
            email: Some("a@example.com".into()),
            full_name: Some(" Ada ".into()),
            metadata: Some(r#"{"plan": "free", "full_name": "Eve"}"#.into()),
            ..Default::default()
        };
        let object = request.check(&rules()).unwrap().metadata.into_object();
        assert_eq!(Value::Object(object), json!({"plan": "free", "full_name": "Ada"}));
    }

    #[test]
    fn debug_shows_no_secret() {
        let request = RegisterRequest { password: Some("correct horse".into()), ..Default::default() };
        assert!(!format!("{request:?}").contains("horse"));
        let verification = Verification { token: "secret".into(), expires_at: DateTime::UNIX_EPOCH };
        assert!(!format!("{verification:?}").contains("secret"));
    }
}
