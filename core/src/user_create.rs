//! A user as a back end makes one.

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::user_fields::FieldReader;
use crate::{FieldError, Rules, UserChange, UserUpdate};

/// What `create_user` is asked for. What is `None` is not there, or has its default.
#[derive(Debug, Clone, Default)]
pub struct UserCreate {
    /// The address; a user without one needs a phone number.
    pub email: Option<String>,
    /// In E.164, or national where `registrar.default_phone_region` is set.
    pub phone: Option<String>,
    /// The plain password, to be hashed in the database; excludes `password_hash`.
    pub password: Option<SecretString>,
    /// A hash made by the caller.
    pub password_hash: Option<SecretString>,
    /// The person's name, stored in the user's metadata as `full_name`.
    pub full_name: Option<String>,
    /// The app's own data about the user.
    pub metadata: Option<Map<String, Value>>,
    /// One of `registrar_private.roles`; the default role unless set.
    pub role: Option<String>,
    /// Whether the user may sign in; `true` unless set.
    pub is_active: Option<bool>,
    /// Whether the user may do everything in the app; `false` unless set.
    pub is_superuser: Option<bool>,
    /// Whether the address counts as confirmed, or the number of a user without one; `false` unless set, and a token is made then.
    pub is_verified: Option<bool>,
}

impl UserCreate {
    /// Reads the object that `create_user` takes.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that is of another type, or none that there is.
    pub fn parse(json: &str) -> Result<Self, Vec<FieldError>> {
        let mut fields = FieldReader::of("values", json)?;
        let user = Self {
            email: fields.text("email").flatten(),
            phone: fields.text("phone").flatten(),
            password: fields.secret("password").flatten(),
            password_hash: fields.secret("password_hash").flatten(),
            full_name: fields.text("full_name").flatten(),
            metadata: fields.object("metadata").flatten(),
            role: fields.text("role").flatten(),
            is_active: fields.truth("is_active").flatten(),
            is_superuser: fields.truth("is_superuser").flatten(),
            is_verified: fields.truth("is_verified").flatten(),
        };
        let errors = fields.finish();
        if errors.is_empty() { Ok(user) } else { Err(errors) }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that does not hold; `validation_failed` on `email` where there is neither address nor number.
    pub fn check(&self, rules: &Rules) -> Result<UserChange, Vec<FieldError>> {
        let is_blank = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().is_empty();
        let change = self.as_update().check_fields(&[], rules);
        if is_blank(&self.email) && is_blank(&self.phone) {
            let missing = FieldError::invalid("email", "An e-mail address or a phone number is required.");
            return Err(std::iter::once(missing).chain(change.err().unwrap_or_default()).collect());
        }
        change
    }

    /// The object that `create_user` takes, with the secrets in it.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.as_update().to_json()
    }

    /// A user is made as one that has nothing is changed.
    fn as_update(&self) -> UserUpdate {
        let user = self.clone();
        UserUpdate {
            email: user.email.map(Some),
            phone: user.phone.map(Some),
            password: user.password,
            password_hash: user.password_hash,
            full_name: user.full_name.map(Some),
            metadata: user.metadata,
            role: user.role.map(Some),
            is_active: user.is_active,
            is_superuser: user.is_superuser,
            is_verified: user.is_verified,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::HashPolicy;

    fn rules() -> Rules {
        Rules { default_phone_region: None, max_metadata_bytes: 1000, hashes: HashPolicy::default() }
    }

    fn fields(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| error.field.unwrap().into_owned()).collect()
    }

    #[test]
    fn what_is_sent_is_read_back() {
        let user = UserCreate {
            email: Some("a@example.com".into()),
            password: Some("correct horse".into()),
            is_verified: Some(true),
            metadata: Some(Map::from_iter([("plan".to_owned(), json!("free"))])),
            ..UserCreate::default()
        };
        let json = Value::Object(user.to_json());
        let expected = json!({"email": "a@example.com", "password": "correct horse", "is_verified": true, "metadata": {"plan": "free"}});
        assert_eq!(json, expected);
        let read = UserCreate::parse(&json.to_string()).unwrap();
        assert_eq!(Value::Object(read.to_json()), expected);
        assert!(!format!("{user:?}").contains("horse"));
    }

    #[test]
    fn every_mistake_in_the_object_is_told_with_the_field_that_is_meant() {
        let errors = UserCreate::parse(r#"{"emial": "a@example.com", "is_active": "yes", "phone": 1, "metadata": []}"#);
        let errors = errors.unwrap_err();
        assert_eq!(errors[3].hint.as_deref(), Some("Do you mean email?"));
        assert_eq!(fields(errors), ["phone", "metadata", "is_active", "emial"]);
        assert_eq!(fields(UserCreate::parse("[]").unwrap_err()), ["values"]);
    }

    #[test]
    fn every_field_that_does_not_hold_is_told() {
        let user = UserCreate {
            email: Some("nonsense".into()),
            phone: Some("12".into()),
            password: Some("short".into()),
            full_name: Some("a\nb".into()),
            ..UserCreate::default()
        };
        let errors = fields(user.check(&rules()).unwrap_err());
        for field in ["email", "phone", "password", "full_name"] {
            assert!(errors.iter().any(|name| name == field), "{field} in {errors:?}");
        }
        assert_eq!(fields(UserCreate::default().check(&rules()).unwrap_err()), ["email"]);
    }

    #[test]
    fn a_number_alone_is_enough() {
        let user = UserCreate {
            phone: Some("+1 202 456 1111".into()),
            full_name: Some(" Ada ".into()),
            ..UserCreate::default()
        };
        let checked = user.check(&rules()).unwrap();
        assert!(checked.email.is_none());
        assert_eq!(checked.phone.flatten().unwrap().e164(), "+12024561111");
        assert_eq!(Value::Object(checked.metadata), json!({"full_name": "Ada"}));
    }
}
