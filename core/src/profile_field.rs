//! A field of a profile table: what fills it, and what it may hold. This is what `attach_profile_table` takes as `p_fields`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use crate::FieldError;

/// A column that registrar fills, validates and lets be updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileField {
    /// The column of the profile table.
    pub column: String,
    /// Where the value comes from.
    #[serde(default, skip_serializing_if = "FieldSource::is_user_metadata")]
    pub source: FieldSource,
    /// The key in the metadata; the column's name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// In place of `key`, the keys that lead into nested objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<String>>,
    /// The value where the source has none, or one that does not fit; the column's own default unless given. `null` is one too.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether a complete profile has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// The only values allowed; of an array, the only elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Value>>,
    /// The least value; of a text the least number of characters, of an array of elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Bound>,
    /// The greatest value, likewise. A text without one takes 10,000 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Bound>,
    /// Whether later changes of the source follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sync: bool,
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldSource {
    /// `raw_user_meta_data`, which the user sends at sign-up.
    #[default]
    UserMetadata,
    /// `raw_app_meta_data`, which only the server writes.
    AppMetadata,
    /// The user's e-mail address.
    Email,
    /// The user's phone number, with `+`.
    Phone,
    /// Nothing: the field is only set by calls on profiles.
    None,
}

impl FieldSource {
    fn is_user_metadata(&self) -> bool {
        *self == Self::UserMetadata
    }

    /// Whether a key or path leads to the value.
    #[must_use]
    pub fn is_metadata(self) -> bool {
        matches!(self, Self::UserMetadata | Self::AppMetadata)
    }
}

/// A limit: a number, or the text of a value that is ordered otherwise, such as a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// A number.
    Number(Number),
    /// The text of a value of the column's type.
    Text(String),
}

impl Bound {
    /// The limit as a whole number, where it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl ProfileField {
    /// The keys that lead to the value in the metadata; empty where the source is none.
    #[must_use]
    pub fn path(&self) -> Vec<&str> {
        match (&self.path, &self.key) {
            _ if !self.source.is_metadata() => Vec::new(),
            (Some(path), _) => path.iter().map(String::as_str).collect(),
            (None, Some(key)) => vec![key],
            (None, None) => vec![&self.column],
        }
    }

    /// Reads `p_fields`: an array whose items are objects, or strings that name a column filled from the key of that name.
    ///
    /// Beside the fields stands one [`FieldError`] for each item that is malformed, contradicts itself or names a column twice.
    #[must_use]
    pub fn parse_all(fields: &str) -> (Vec<Self>, Vec<FieldError>) {
        let Ok(items) = serde_json::from_str::<Vec<Value>>(fields) else {
            let error = FieldError::invalid("p_fields", "The fields are not a JSON array.");
            let hint = "Like [\"first_name\", {\"column\": \"age\", \"minimum\": 0, \"required\": true}].";
            return (Vec::new(), vec![error.with_hint(hint)]);
        };
        let (mut read, mut errors): (Vec<Self>, Vec<FieldError>) = (Vec::new(), Vec::new());
        for (place, item) in items.into_iter().enumerate() {
            match Self::parse(item, place) {
                Ok(field) if read.iter().any(|other| other.column == field.column) => {
                    errors.push(fault(field.column, "The column is listed twice.", "Keep one of them."));
                }
                Ok(field) => read.push(field),
                Err(error) => errors.push(error),
            }
        }
        (read, errors)
    }

    fn parse(item: Value, place: usize) -> Result<Self, FieldError> {
        let item = match item {
            Value::String(column) => serde_json::json!({ "column": column }),
            other => other,
        };
        let name = match item.get("column").and_then(Value::as_str) {
            Some(column) => column.to_owned(),
            None => format!("p_fields[{place}]"),
        };
        let field: Self = serde_json::from_value(item).map_err(|error| {
            let known = "column, source (user_metadata, app_metadata, email, phone, none), key or path, default, required, \
                         allowed, minimum, maximum, sync";
            fault(name.clone(), format!("The field cannot be read: {error}."), format!("A field has: {known}."))
        })?;
        let is_said_twice = field.key.is_some() && field.path.is_some();
        let has_path = field.key.is_some() || field.path.is_some();
        match &field {
            _ if is_said_twice => Err(fault(name, "It has both a key and a path.", "Keep one of them.")),
            _ if has_path && !field.source.is_metadata() => {
                Err(fault(name, "Only metadata have keys.", "Leave key and path out, or the source."))
            }
            _ if field.path.as_ref().is_some_and(Vec::is_empty) => {
                Err(fault(name, "The path is empty.", "Name at least one key."))
            }
            _ if field.sync && field.source == FieldSource::None => {
                Err(fault(name, "It has no source to follow.", "Leave sync out, or name a source."))
            }
            _ if field.allowed.as_ref().is_some_and(|values| values.iter().any(|value| !is_scalar(value))) => {
                Err(fault(name, "Allowed values are no texts, numbers or booleans.", "List the values themselves."))
            }
            _ => Ok(field),
        }
    }
}

/// The name out of `known` that a mistyped one most likely means.
#[must_use]
pub fn nearest_name<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = name.chars().count();
    let limit = length.div_ceil(2);
    // The distance is no less than the difference in length, and takes the product of the lengths to find.
    let similar = known.into_iter().filter(|candidate| candidate.chars().count().abs_diff(length) <= limit.min(32));
    let scored = similar.map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

fn fault(
    field: String,
    message: impl Into<std::borrow::Cow<'static, str>>,
    hint: impl Into<std::borrow::Cow<'static, str>>,
) -> FieldError {
    let error = FieldError::invalid("", message);
    FieldError { field: Some(field.into()), ..error }.with_hint(hint)
}

/// A key that is there with `null` is another thing than no key.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fields: &str) -> Vec<(String, String)> {
        let (_, errors) = ProfileField::parse_all(fields);
        errors.into_iter().map(|error| (error.field.unwrap().into_owned(), error.message.into_owned())).collect()
    }

    #[test]
    fn a_bare_name_is_filled_from_the_key_of_that_name() {
        let (fields, _) = ProfileField::parse_all(r#"["first_name", {"column": "city", "path": ["address", "city"]}]"#);
        assert_eq!(fields[0].path(), ["first_name"]);
        assert_eq!(fields[0].source, FieldSource::UserMetadata);
        assert_eq!(fields[1].path(), ["address", "city"]);
    }

    #[test]
    fn what_is_stored_reads_back_the_same_and_says_no_more_than_was_said() {
        let text = r#"[{"column":"age","source":"app_metadata","key":"years","default":18,"required":true,"allowed":[18,19],"minimum":0,"maximum":"99","sync":true},{"column":"name"},{"column":"zip","default":null}]"#;
        let (fields, _) = ProfileField::parse_all(text);
        assert_eq!(serde_json::to_string(&fields).unwrap(), text);
    }

    #[test]
    fn every_fault_is_told_with_its_column() {
        let fields = r#"[7, {"key": "a"}, {"column": "b", "kee": "x"}, {"column": "c", "key": "x", "path": ["y"]}, "d", "d",
            {"column": "e", "source": "email", "key": "x"}, {"column": "f", "source": "none", "sync": true},
            {"column": "g", "path": []}, {"column": "h", "allowed": [[]]}]"#;
        let columns: Vec<_> = faults(fields).into_iter().map(|(column, _)| column).collect();
        assert_eq!(columns, ["p_fields[0]", "p_fields[1]", "b", "c", "d", "e", "f", "g", "h"]);
        assert!(faults("{}")[0].1.contains("not a JSON array"));
        assert!(faults(r#"[{"column": "b", "kee": "x"}]"#)[0].1.contains("kee"));
    }

    #[test]
    fn a_malformed_field_does_not_hide_the_others() {
        let (fields, errors) = ProfileField::parse_all(r#"["a", 7, {"column": "b"}]"#);
        let columns: Vec<_> = fields.iter().map(|field| field.column.as_str()).collect();
        assert_eq!((columns, errors.len()), (vec!["a", "b"], 1));
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["first_name", "last_name", "account_type"];
        assert_eq!(nearest_name("frist_name", known), Some("first_name"));
        assert_eq!(nearest_name("acount_type", known), Some("account_type"));
        assert_eq!(nearest_name("salary", known), None);
        assert_eq!(nearest_name(&"first_name".repeat(1_000_000), known), None, "and found at once");
    }
}
