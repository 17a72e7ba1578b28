//! The fields of a user as they are sent: a JSON object, in which absence and `null` are two things.

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::{FieldError, nearest_name};

/// Every field that can be sent.
pub(crate) const FIELDS: [&str; 10] = [
    "email",
    "phone",
    "password",
    "password_hash",
    "full_name",
    "metadata",
    "role",
    "is_active",
    "is_superuser",
    "is_verified",
];

/// An object that is being read, and what was found to be wrong. The outer `Option` of a field is whether it was sent, the inner one
/// whether it is `null`.
pub(crate) struct FieldReader {
    object: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl FieldReader {
    /// `field` names the object as a whole.
    pub(crate) fn of(field: &'static str, json: &str) -> Result<Self, Vec<FieldError>> {
        let object: Result<Option<Map<String, Value>>, _> = serde_json::from_str(json);
        let no_object = FieldError::invalid(field, "The value is not a JSON object, or nested too deep.");
        let object = object.map_err(|_| vec![no_object.with_hint("Send an object like {\"email\": \"…\"}.")])?;
        Ok(Self { object: object.unwrap_or_default(), errors: Vec::new() })
    }

    fn wrong<T>(&mut self, name: &'static str, what: &str) -> Option<Option<T>> {
        self.errors.push(FieldError::invalid(name, format!("The value is not {what}.")));
        None
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<Option<String>> {
        match self.object.remove(name)? {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text)),
            _ => self.wrong(name, "a text"),
        }
    }

    pub(crate) fn secret(&mut self, name: &'static str) -> Option<Option<SecretString>> {
        self.text(name).map(|text| text.map(SecretString::from))
    }

    pub(crate) fn truth(&mut self, name: &'static str) -> Option<Option<bool>> {
        match self.object.remove(name)? {
            Value::Null => Some(None),
            Value::Bool(truth) => Some(Some(truth)),
            _ => self.wrong(name, "true or false"),
        }
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Option<Option<Map<String, Value>>> {
        match self.object.remove(name)? {
            Value::Null => Some(None),
            Value::Object(object) => Some(Some(object)),
            _ => self.wrong(name, "a JSON object"),
        }
    }

    /// What was wrong. What has not been taken out by now is no field.
    pub(crate) fn finish(self) -> Vec<FieldError> {
        let Self { object, mut errors } = self;
        errors.extend(object.into_iter().map(|(name, _)| {
            let hint = match nearest_name(&name, FIELDS) {
                Some(nearest) => format!("Do you mean {nearest}?"),
                None => format!("Fields are: {}.", FIELDS.join(", ")),
            };
            let mut error = FieldError::invalid("fields", "There is no such field.").with_hint(hint);
            error.field = Some(name.into());
            error
        }));
        errors
    }
}
