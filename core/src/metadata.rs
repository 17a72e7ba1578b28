//! The app's own data about a user, `raw_user_meta_data`.

use serde_json::{Map, Value};

use crate::{FieldError, FullName};

/// Deepest nesting of arrays and objects: far below what exhausts a JSON parser's stack.
const MAX_DEPTH: usize = 32;

/// A JSON object of the app's own, within its size and depth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Checks a value that a client sent; `null` is the empty object.
    ///
    /// # Errors
    /// `validation_failed` on `metadata` where it is no object, is longer than `max_bytes` as compact JSON, or is nested
    /// deeper than 32 levels.
    pub fn parse(value: Value, max_bytes: usize) -> Result<Self, FieldError> {
        let object = match value {
            Value::Null => Map::new(),
            Value::Object(object) => object,
            _ => {
                return Err(FieldError::invalid("metadata", "The metadata is not a JSON object.")
                    .with_hint("Send an object like {\"plan\": \"free\"}, not a string that holds one."));
            }
        };
        if object.values().any(|value| deeper_than(value, MAX_DEPTH - 1)) {
            return Err(FieldError::invalid("metadata", "The metadata is nested deeper than 32 levels."));
        }
        if !object.is_empty() && serde_json::to_vec(&object).map_or(usize::MAX, |json| json.len()) > max_bytes {
            return Err(FieldError::invalid("metadata", format!("The metadata is larger than {max_bytes} bytes."))
                .with_hint("Keep documents in a table of your own; registrar.max_metadata_bytes sets the limit."));
        }
        Ok(Self(object))
    }

    /// The same object with the person's name under `full_name`, the key that Supabase's own templates read.
    #[must_use]
    pub fn with_full_name(mut self, name: Option<&FullName>) -> Self {
        if let Some(name) = name {
            self.0.insert("full_name".into(), name.as_str().into());
        }
        self
    }

    /// The object.
    #[must_use]
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1)),
        Value::Object(entries) => levels == 0 || entries.values().any(|item| deeper_than(item, levels - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "inner": inner }))
    }

    #[test]
    fn only_objects_and_null_are_metadata() {
        assert_eq!(Metadata::parse(Value::Null, 100).unwrap(), Metadata::default());
        assert!(Metadata::parse(json!({"plan": "free"}), 100).is_ok());
        for value in [json!([]), json!("{}"), json!(1), json!(true)] {
            assert!(Metadata::parse(value, 100).is_err());
        }
    }

    #[test]
    fn size_and_depth_are_limited() {
        assert!(Metadata::parse(json!({"k": "v".repeat(92)}), 100).is_ok());
        assert!(Metadata::parse(json!({"k": "v".repeat(93)}), 100).is_err());
        assert!(Metadata::parse(nested(32), 1000).is_ok());
        assert!(Metadata::parse(nested(33), 1000).is_err());
    }
}
