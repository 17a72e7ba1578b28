//! Which column of a source is which field of a user.

use serde_json::{Map, Value};

use super::presets;
use crate::{FieldError, nearest_name};

/// What a source's column can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserField {
    /// The key: a UUID is kept, anything else gets one.
    Id,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
    /// The hash of the password, as the other system stored it.
    PasswordHash,
    /// The salt, where it stands in a column of its own (Firebase).
    PasswordSalt,
    /// Whether the user may sign in.
    IsActive,
    /// The contrary.
    IsDisabled,
    /// Whether the user may do everything in the app.
    IsSuperuser,
    /// Whether the address is confirmed.
    IsVerified,
    /// When the address was confirmed; nothing where it was not.
    VerifiedAt,
    /// When the number was confirmed.
    PhoneVerifiedAt,
    /// Until when the user may not sign in.
    BannedUntil,
    /// The role in the app.
    Role,
    /// The name of the person.
    FullName,
    /// When the user signed up.
    CreatedAt,
    /// When the user last signed in.
    LastSignInAt,
    /// An object of the user's metadata.
    UserMetadata,
    /// An object of the metadata that the user cannot change.
    AppMetadata,
    /// One key of the user's metadata.
    Metadata(String),
}

/// The names of all but the keys of metadata.
const NAMES: &[(&str, UserField)] = &[
    ("id", UserField::Id),
    ("email", UserField::Email),
    ("phone", UserField::Phone),
    ("password_hash", UserField::PasswordHash),
    ("password_salt", UserField::PasswordSalt),
    ("is_active", UserField::IsActive),
    ("is_disabled", UserField::IsDisabled),
    ("is_superuser", UserField::IsSuperuser),
    ("is_verified", UserField::IsVerified),
    ("verified_at", UserField::VerifiedAt),
    ("phone_verified_at", UserField::PhoneVerifiedAt),
    ("banned_until", UserField::BannedUntil),
    ("role", UserField::Role),
    ("full_name", UserField::FullName),
    ("created_at", UserField::CreatedAt),
    ("last_sign_in_at", UserField::LastSignInAt),
    ("user_metadata", UserField::UserMetadata),
    ("app_metadata", UserField::AppMetadata),
];

impl UserField {
    fn named(name: &str) -> Option<Self> {
        if let Some(key) = name.strip_prefix("metadata.").filter(|key| !key.is_empty()) {
            return Some(Self::Metadata(key.to_owned()));
        }
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone())
    }
}

/// Which column is which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMapping {
    fields: Vec<(UserField, String)>,
}

impl ImportMapping {
    /// Reads a mapping: the name of a preset, or an object of fields and columns, beside `preset` perhaps, whose columns they override; `null`
    /// leaves a field out. Without a preset, columns that are named like a field are that field.
    ///
    /// `columns` are those of the source.
    ///
    /// # Errors
    /// Every fault at once: an unknown preset or field, a column that the source lacks or has twice, neither an address nor a number.
    pub fn parse(mapping: &Value, columns: &[String]) -> Result<Self, Vec<FieldError>> {
        let given = match mapping {
            Value::Null => Map::new(),
            Value::String(preset) => Map::from_iter([("preset".to_owned(), preset.as_str().into())]),
            Value::Object(given) => given.clone(),
            _ => {
                let error =
                    FieldError::invalid("mapping", "The mapping is neither an object nor the name of a preset.");
                return Err(vec![error.with_hint("Like {\"preset\": \"django\", \"full_name\": \"display_name\"}.")]);
            }
        };
        let mut errors = Vec::new();
        let has = |column: &str| columns.iter().any(|known| known == column);
        let mut fields: Vec<(UserField, String)> = match preset_of(&given) {
            Ok(known) => known
                .filter(|(_, column)| has(column))
                .filter_map(|(name, column)| Some((UserField::named(name)?, column.to_owned())))
                .collect(),
            Err(error) => {
                errors.push(error);
                Vec::new()
            }
        };
        if !given.contains_key("preset") {
            let alike = columns.iter().filter_map(|column| Some((UserField::named(column)?, column.clone())));
            fields.extend(alike.filter(|(field, _)| !matches!(field, UserField::Metadata(_))));
        }
        for (name, column) in given.iter().filter(|(name, _)| *name != "preset") {
            let Some(field) = UserField::named(name) else {
                errors.push(unknown_field(name));
                continue;
            };
            fields.retain(|(known, _)| *known != field);
            match column {
                Value::Null => {}
                Value::String(column) if has(column) => fields.push((field, column.clone())),
                Value::String(column) => errors.push(missing_column(name, column, columns)),
                _ => errors.push(fault(name, "The name of a column is expected.", "Like \"email\": \"mail\".")),
            }
        }
        for (place, (_, column)) in fields.iter().enumerate() {
            let is_first = fields[..place].iter().all(|(_, before)| before != column);
            if is_first && columns.iter().filter(|known| *known == column).count() > 1 {
                errors.push(fault(column, "The source has this column twice.", "Give each a name of its own."));
            }
        }
        let mapping = Self { fields };
        if errors.is_empty()
            && mapping.column(&UserField::Email).is_none()
            && mapping.column(&UserField::Phone).is_none()
        {
            let error = FieldError::invalid("mapping", "No column is the e-mail address, and none the phone number.");
            let hint = format!("Map one: {{\"email\": \"…\"}}. The source has: {}.", columns.join(", "));
            errors.push(error.with_hint(hint));
        }
        if errors.is_empty() { Ok(mapping) } else { Err(errors) }
    }

    /// The column of a field.
    #[must_use]
    pub fn column(&self, field: &UserField) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == field).map(|(_, column)| column.as_str())
    }

    /// The keys of metadata with their columns.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().filter_map(|(field, column)| match field {
            UserField::Metadata(key) => Some((key.as_str(), column.as_str())),
            _ => None,
        })
    }

    /// Those of the columns that are no field, which are left behind.
    #[must_use]
    pub fn left_behind(&self, columns: &[String]) -> Vec<String> {
        columns.iter().filter(|column| !self.fields.iter().any(|(_, known)| known == *column)).cloned().collect()
    }
}

fn preset_of(given: &Map<String, Value>) -> Result<impl Iterator<Item = (&'static str, &'static str)>, FieldError> {
    let columns = match given.get("preset") {
        None | Some(Value::Null) => Some([].as_slice()),
        Some(name) => name.as_str().and_then(presets::preset),
    };
    let unknown = || {
        let known = presets::names().collect::<Vec<_>>().join(", ");
        FieldError::invalid("preset", "There is no such preset.").with_hint(format!("Presets are: {known}."))
    };
    Ok(columns.ok_or_else(unknown)?.iter().copied())
}

fn unknown_field(name: &str) -> FieldError {
    let known = NAMES.iter().map(|(known, _)| *known);
    let hint = match nearest_name(name, known.clone()) {
        Some(nearest) => format!("Did you mean {nearest}? What has no field of its own goes into metadata.{name}."),
        None => format!("Fields are: {}, and metadata.KEY.", known.collect::<Vec<_>>().join(", ")),
    };
    fault(name, "A user has no such field.", hint)
}

fn missing_column(name: &str, column: &str, columns: &[String]) -> FieldError {
    let hint = match nearest_name(column, columns.iter().map(String::as_str)) {
        Some(nearest) => format!("Did you mean {nearest}?"),
        None => format!("The source has: {}.", columns.join(", ")),
    };
    fault(name, format!("The source has no column {column}."), hint)
}

fn fault(
    field: &str,
    message: impl Into<std::borrow::Cow<'static, str>>,
    hint: impl Into<std::borrow::Cow<'static, str>>,
) -> FieldError {
    let error = FieldError::invalid("", message);
    FieldError { field: Some(field.to_owned().into()), ..error }.with_hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_preset_takes_what_the_table_has_and_overrides_win() {
        let source = columns(&["id", "email", "password", "nick", "date_joined", "shoe_size"]);
        let mapping = ImportMapping::parse(&json!("django"), &source).unwrap();
        assert_eq!(mapping.column(&UserField::CreatedAt), Some("date_joined"));
        assert_eq!(mapping.column(&UserField::LastSignInAt), None);
        assert_eq!(mapping.left_behind(&source), ["nick", "shoe_size"]);
        let given =
            json!({"preset": "django", "full_name": "nick", "created_at": null, "metadata.shoe_size": "shoe_size"});
        let mapping = ImportMapping::parse(&given, &source).unwrap();
        assert_eq!((mapping.column(&UserField::FullName), mapping.column(&UserField::CreatedAt)), (Some("nick"), None));
        assert_eq!(Vec::from_iter(mapping.metadata()), [("shoe_size", "shoe_size")]);
    }

    #[test]
    fn without_a_preset_names_speak_for_themselves() {
        let mapping = ImportMapping::parse(&Value::Null, &columns(&["email", "role", "pw"])).unwrap();
        assert_eq!(mapping.column(&UserField::Role), Some("role"));
        assert_eq!(mapping.column(&UserField::PasswordHash), None);
    }

    #[test]
    fn every_fault_is_told_with_what_to_do() {
        let source = columns(&["id", "email", "email", "hashed"]);
        let given = json!({"preset": "djang", "e_mail": "email", "password_hash": "hashd", "role": 1});
        let errors = ImportMapping::parse(&given, &source).unwrap_err();
        let told = errors
            .iter()
            .map(|error| format!("{} {}", error.field.as_deref().unwrap(), error.hint.as_deref().unwrap()));
        let told = told.collect::<Vec<_>>().join("\n");
        for part in [
            "preset Presets are: fastapi-users",
            "e_mail Did you mean email?",
            "password_hash Did you mean hashed?",
            "role Like",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let twice = ImportMapping::parse(&json!({}), &source).unwrap_err();
        assert_eq!((twice.len(), twice[0].message.as_ref()), (1, "The source has this column twice."));
        let without = ImportMapping::parse(&json!("laravel"), &columns(&["id", "login"])).unwrap_err();
        assert!(without[0].message.contains("No column is the e-mail address"));
        assert!(ImportMapping::parse(&json!([]), &source).is_err());
    }

    #[test]
    fn presets_name_fields_that_there_are() {
        for (preset, columns) in presets::PRESETS {
            for (name, _) in *columns {
                assert!(UserField::named(name).is_some(), "{preset}: {name}");
            }
        }
    }
}
