//! Another value for a field of any profile table.

use serde::Deserialize;
use serde_json::{Number, Value, json};

/// The fields of the primary profile table, each with what its values may be.
pub(super) const FIELDS: &str = "
SELECT (field || jsonb_build_object('category', t.typcategory))::text
FROM (SELECT * FROM registrar.profile_tables ORDER BY position LIMIT 1) AS p
CROSS JOIN LATERAL jsonb_array_elements(p.fields) WITH ORDINALITY AS given (item, place)
CROSS JOIN LATERAL (
    SELECT CASE jsonb_typeof(item)
        WHEN 'string' THEN jsonb_build_object('column', item) ELSE item
    END AS field
) AS f
JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = to_regclass(format('%I.%I', p.schema_name, p.table_name))
    AND a.attname = field ->> 'column' AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
ORDER BY place";

/// What a test writes into a text.
const WORD: &str = "Selftest";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Field {
    pub(super) column: String,
    /// PostgreSQL's category of the type (`pg_type.typcategory`).
    category: String,
    #[serde(default)]
    allowed: Option<Vec<Value>>,
    #[serde(default)]
    minimum: Option<Value>,
    #[serde(default)]
    maximum: Option<Value>,
}

impl Field {
    /// Another value that the field should take, where one is to be found without knowing the app.
    pub(super) fn other_value(&self, current: &Value) -> Option<Value> {
        let is_array = self.category == "A";
        if let Some(allowed) = self.allowed.as_ref().filter(|allowed| !allowed.is_empty() && !is_array) {
            return allowed.iter().find(|value| *value != current).cloned();
        }
        match self.category.as_str() {
            "B" => Some(json!(!current.as_bool().unwrap_or_default())),
            "N" => self.other_number(current).map(|number| json!(number)),
            "S" if current != WORD && self.takes_length(WORD.len() as u64) => Some(json!(WORD)),
            _ => None,
        }
    }

    fn other_number(&self, current: &Value) -> Option<i64> {
        let whole = |bound: &Option<Value>| bound.as_ref().and_then(Value::as_number).and_then(Number::as_i64);
        let (least, greatest) =
            (whole(&self.minimum).unwrap_or(0), whole(&self.maximum).unwrap_or(i64::from(i16::MAX)));
        let current = current.as_i64();
        [least, least + 1].into_iter().find(|number| Some(*number) != current && *number <= greatest)
    }

    fn takes_length(&self, length: u64) -> bool {
        let bound = |bound: &Option<Value>| bound.as_ref().and_then(Value::as_u64);
        bound(&self.minimum).is_none_or(|least| least <= length)
            && bound(&self.maximum).is_none_or(|most| length <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(category: &str, rules: Value) -> Field {
        let mut field = json!({"column": "a", "category": category});
        field.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        serde_json::from_value(field).unwrap()
    }

    #[test]
    fn another_value_keeps_the_rules() {
        for (category, rules, current, expected) in [
            ("S", json!({"allowed": ["entry", "junior"]}), json!("entry"), Some(json!("junior"))),
            ("S", json!({"allowed": ["entry"]}), json!("entry"), None),
            ("S", json!({}), Value::Null, Some(json!("Selftest"))),
            ("S", json!({}), json!("Selftest"), None),
            ("S", json!({"maximum": 3}), json!("USD"), None),
            ("S", json!({"minimum": 9}), json!("a"), None),
            ("B", json!({}), json!(true), Some(json!(false))),
            ("N", json!({"minimum": 0, "maximum": 100}), json!(0), Some(json!(1))),
            ("N", json!({"minimum": 5}), json!(7), Some(json!(5))),
            ("N", json!({"minimum": 5, "maximum": 5}), json!(5), None),
            ("N", json!({}), Value::Null, Some(json!(0))),
            ("A", json!({"allowed": ["a"]}), json!([]), None),
            ("D", json!({"minimum": "1900-01-01"}), json!("2000-01-01"), None),
            ("U", json!({}), Value::Null, None),
        ] {
            let found = field(category, rules.clone()).other_value(&current);
            assert_eq!(found, expected, "{category} {rules} {current}");
        }
    }
}
