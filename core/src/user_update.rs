//! What is to be another of a user.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::user_fields::FieldReader;
use crate::{Credential, Email, ErrorCode, FieldError, FullName, Metadata, Phone, Rules};

/// What `update_user` is asked for. What is `None` is left alone; `Some(None)` clears.
#[derive(Debug, Clone, Default)]
pub struct UserUpdate {
    /// The address. Another one is unverified until its token comes back.
    pub email: Option<Option<String>>,
    /// In E.164, or national where `registrar.default_phone_region` is set.
    pub phone: Option<Option<String>>,
    /// The plain password, to be hashed in the database; excludes `password_hash`.
    pub password: Option<SecretString>,
    /// A hash made by the caller.
    pub password_hash: Option<SecretString>,
    /// The person's name, stored in the user's metadata as `full_name`.
    pub full_name: Option<Option<String>>,
    /// Keys of the metadata: each is set, or removed by `null`; the others stay.
    pub metadata: Option<Map<String, Value>>,
    /// One of `registrar_private.roles`; `Some(None)` is the default role.
    pub role: Option<Option<String>>,
    /// Whether the user may sign in. `false` ends every session.
    pub is_active: Option<bool>,
    /// Whether the user may do everything in the app.
    pub is_superuser: Option<bool>,
    /// Whether the address counts as confirmed, or the number of a user without one.
    pub is_verified: Option<bool>,
}

/// Changes whose every field holds, as far as can be told without the database: the role is not among them.
#[derive(Debug, Clone)]
pub struct UserChange {
    /// The address, and `Some(None)` for none.
    pub email: Option<Option<Email>>,
    /// The number, and `Some(None)` for none.
    pub phone: Option<Option<Phone>>,
    /// The password or its hash.
    pub credential: Option<Credential>,
    /// Keys of the metadata with `full_name` among them; `null` removes one.
    pub metadata: Map<String, Value>,
}

/// What Supabase Auth keeps in the metadata, which no client can make up.
const RESERVED: [&str; 5] = ["sub", "email", "phone", "email_verified", "phone_verified"];

impl UserUpdate {
    /// Reads the object that `update_user` takes.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that is of another type, or none that there is, or `null` where that means nothing.
    pub fn parse(json: &str) -> Result<Self, Vec<FieldError>> {
        let mut fields = FieldReader::of("updates", json)?;
        let mut no_null = Vec::new();
        let update = Self {
            email: fields.text("email"),
            phone: fields.text("phone"),
            password: some("password", fields.secret("password"), &mut no_null),
            password_hash: some("password_hash", fields.secret("password_hash"), &mut no_null),
            full_name: fields.text("full_name"),
            metadata: some("metadata", fields.object("metadata"), &mut no_null),
            role: fields.text("role"),
            is_active: some("is_active", fields.truth("is_active"), &mut no_null),
            is_superuser: some("is_superuser", fields.truth("is_superuser"), &mut no_null),
            is_verified: some("is_verified", fields.truth("is_verified"), &mut no_null),
        };
        let errors: Vec<_> = no_null.into_iter().chain(fields.finish()).collect();
        if errors.is_empty() { Ok(update) } else { Err(errors) }
    }

    /// The fields that only a back end may set, as far as they are sent.
    ///
    /// # Errors
    /// `forbidden` on each of them.
    pub fn check_unprivileged(&self) -> Result<(), Vec<FieldError>> {
        let sent = [
            ("role", self.role.is_some()),
            ("is_active", self.is_active.is_some()),
            ("is_superuser", self.is_superuser.is_some()),
            ("is_verified", self.is_verified.is_some()),
        ];
        let forbidden = |field| FieldError::new(field, ErrorCode::Forbidden, "Only a back end may set this.");
        let errors: Vec<_> =
            sent.into_iter().filter(|(_, is_sent)| *is_sent).map(|(field, _)| forbidden(field)).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Checks every field. `known` is what others know of the user already.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that does not hold; `validation_failed` on `updates` where there is none.
    pub fn check(&self, known: &[&str], rules: &Rules) -> Result<UserChange, Vec<FieldError>> {
        if self.to_json().is_empty() {
            let error = FieldError::invalid("updates", "There is nothing to update.");
            return Err(vec![error.with_hint("Send an object like {\"phone\": \"+1…\"}; null clears.")]);
        }
        self.check_fields(known, rules)
    }

    /// The same, where there may be none.
    pub(crate) fn check_fields(&self, known: &[&str], rules: &Rules) -> Result<UserChange, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = self.email.as_ref().map(|email| {
            let typed = email.as_deref().filter(|typed| !typed.trim().is_empty());
            typed.and_then(|typed| FieldError::kept(&mut errors, Email::parse(typed)))
        });
        let phone = self.phone.as_ref().map(|phone| {
            let typed = phone.as_deref().unwrap_or_default();
            FieldError::kept(&mut errors, Phone::parse(typed, rules.default_phone_region)).flatten()
        });
        let new = [self.email.as_ref(), self.full_name.as_ref()].map(|text| text.and_then(Option::as_deref));
        let known: Vec<&str> = known.iter().copied().chain(new.into_iter().flatten()).collect();
        let credential = Credential::parse(self.password_hash.clone(), self.password.clone(), &known, &rules.hashes);
        let credential = credential.unwrap_or_else(|reasons| {
            errors.extend(reasons);
            None
        });
        let metadata = json!(self.metadata).to_string();
        let metadata =
            FieldError::kept(&mut errors, Metadata::parse(&metadata, rules.max_metadata_bytes)).unwrap_or_default();
        let mut metadata = metadata.into_object();
        metadata.retain(|key, _| !RESERVED.contains(&key.as_str()));
        if let Some(name) = &self.full_name {
            let name = FieldError::kept(&mut errors, FullName::parse(name.as_deref().unwrap_or_default())).flatten();
            metadata.insert("full_name".into(), json!(name.as_ref().map(FullName::as_str)));
        }
        if errors.is_empty() { Ok(UserChange { email, phone, credential, metadata }) } else { Err(errors) }
    }

    /// The object that `update_user` takes, with the secrets in it.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let secret = |secret: &Option<SecretString>| secret.as_ref().map(|secret| json!(secret.expose_secret()));
        let text = |text: &Option<Option<String>>| text.as_ref().map(|text| json!(text));
        let fields = [
            ("email", text(&self.email)),
            ("phone", text(&self.phone)),
            ("password", secret(&self.password)),
            ("password_hash", secret(&self.password_hash)),
            ("full_name", text(&self.full_name)),
            ("metadata", self.metadata.as_ref().map(|metadata| json!(metadata))),
            ("role", text(&self.role)),
            ("is_active", self.is_active.map(Value::Bool)),
            ("is_superuser", self.is_superuser.map(Value::Bool)),
            ("is_verified", self.is_verified.map(Value::Bool)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// A field that cannot be cleared.
fn some<T>(name: &'static str, field: Option<Option<T>>, errors: &mut Vec<FieldError>) -> Option<T> {
    if let Some(None) = field {
        errors.push(FieldError::invalid(name, "The value cannot be cleared.").with_hint("Leave it out, or send one."));
    }
    field.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HashPolicy;

    fn rules() -> Rules {
        Rules { default_phone_region: None, max_metadata_bytes: 1000, hashes: HashPolicy::default() }
    }

    fn fields(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| error.field.unwrap().into_owned()).collect()
    }

    #[test]
    fn absence_leaves_alone_and_null_clears() {
        let update = UserUpdate::parse(r#"{"phone": null, "full_name": null, "metadata": {"plan": null}}"#).unwrap();
        assert_eq!((&update.email, &update.phone), (&None, &Some(None)));
        let checked = update.check(&[], &rules()).unwrap();
        assert!(matches!((&checked.email, &checked.phone), (None, Some(None))));
        assert_eq!(Value::Object(checked.metadata), json!({"plan": null, "full_name": null}));
        assert_eq!(fields(UserUpdate::parse(r#"{"is_active": null}"#).unwrap_err()), ["is_active"]);
        assert_eq!(fields(UserUpdate::parse("{}").unwrap().check(&[], &rules()).unwrap_err()), ["updates"]);
    }

    #[test]
    fn what_is_a_back_ends_is_refused_by_name() {
        let all = r#"{"role": "admin", "is_active": true, "is_superuser": true, "is_verified": true, "email": "a@example.com"}"#;
        let errors = UserUpdate::parse(all).unwrap().check_unprivileged().unwrap_err();
        assert_eq!(FieldError::outcome(&errors), ErrorCode::Forbidden);
        assert_eq!(fields(errors), ["role", "is_active", "is_superuser", "is_verified"]);
        assert!(UserUpdate::parse(r#"{"email": "a@example.com"}"#).unwrap().check_unprivileged().is_ok());
    }

    #[test]
    fn nobody_makes_up_what_supabase_auth_keeps() {
        let update =
            UserUpdate::parse(r#"{"metadata": {"sub": "x", "email_verified": true, "plan": "free"}}"#).unwrap();
        assert_eq!(Value::Object(update.check(&[], &rules()).unwrap().metadata), json!({"plan": "free"}));
    }

    #[test]
    fn a_password_that_is_the_new_address_is_weak() {
        let update = r#"{"email": "ada.lovelace@example.com", "password": "ada.lovelace@example.com"}"#;
        assert_eq!(fields(UserUpdate::parse(update).unwrap().check(&[], &rules()).unwrap_err()), ["password"]);
        let update = UserUpdate::parse(r#"{"password": "ada.lovelace@example.com"}"#).unwrap();
        assert!(update.check(&["ada.lovelace@example.com"], &rules()).is_err());
        assert!(!format!("{update:?}").contains("lovelace"));
    }
}
