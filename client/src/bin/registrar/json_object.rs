//! A JSON object as an argument.

use serde_json::{Map, Value};

pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str::<Map<String, Value>>(text)
        .map(Value::Object)
        .map_err(|error| format!("not a JSON object like {{\"plan\": \"free\"}} ({error})"))
}
