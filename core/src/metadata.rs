//! The app's own data about a user, `raw_user_meta_data`.

use serde_json::{Map, Value};

use crate::{FieldError, FullName};

/// Deepest nesting of arrays and objects: far below what exhausts a JSON parser's stack.
const MAX_DEPTH: usize = 32;

/// A JSON object of the app's own, within its size and depth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Reads the JSON text that a client sent; `null` is the empty object.
    ///
    /// # Errors
    /// `validation_failed` on `metadata` where it is no object, is longer than `max_bytes`, or is nested deeper than 32
    /// levels.
    pub fn parse(json: &str, max_bytes: usize) -> Result<Self, FieldError> {
        if json.len() > max_bytes.max("null".len()) {
            return Err(FieldError::invalid("metadata", format!("The metadata is larger than {max_bytes} bytes."))
                .with_hint("Keep documents in a table of your own; registrar.max_metadata_bytes sets the limit."));
        }
        let too_deep = || FieldError::invalid("metadata", "The metadata is nested deeper than 32 levels.");
        // What came through PostgreSQL is JSON; the parser refuses only what would exhaust its stack.
        let object = match serde_json::from_str(json).map_err(|_| too_deep())? {
            Value::Null => Map::new(),
            Value::Object(object) => object,
            _ => {
                return Err(FieldError::invalid("metadata", "The metadata is not a JSON object.")
                    .with_hint("Send an object like {\"plan\": \"free\"}."));
            }
        };
        if object.values().any(|value| deeper_than(value, MAX_DEPTH - 1)) {
            return Err(too_deep());
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
        assert_eq!(Metadata::parse("null", 0).unwrap(), Metadata::default());
        assert!(Metadata::parse(r#"{"plan": "free"}"#, 100).is_ok());
        for json in ["[]", "\"{}\"", "1", "true"] {
            assert!(Metadata::parse(json, 100).unwrap_err().message.contains("not a JSON object"), "{json}");
        }
    }

    #[test]
    fn size_and_depth_are_limited() {
        let sized = |length: usize| format!("{{\"k\":\"{}\"}}", "v".repeat(length - 8));
        assert!(Metadata::parse(&sized(100), 100).is_ok());
        assert!(Metadata::parse(&sized(101), 100).is_err());
        assert!(Metadata::parse(&nested(32).to_string(), 1000).is_ok());
        for levels in [33, 200, 10_000] {
            let json = format!("{}1{}", "{\"inner\":".repeat(levels), "}".repeat(levels));
            assert!(Metadata::parse(&json, 1 << 20).unwrap_err().message.contains("deeper"), "{levels}");
        }
    }
}
