//! Rust values as JSON in PostgreSQL's binary form, without text in between: to print an answer and to have PostgreSQL parse it
//! again took as long as three of the rows that a registration writes.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use crate::jsonb_format::Node;
use crate::pg::jsonb;

/// The name under which a type says that its bytes are JSON in binary form already.
const STORED: &str = "$registrar::stored";
/// The names, of the type and of its only field, under which `serde_json` hands over JSON text as it is, and the digits of a number.
const RAW: &str = "$serde_json::private::RawValue";
const DIGITS: &str = "$serde_json::private::Number";

/// The nodes of a value, to be written by [`crate::jsonb_format`].
///
/// # Errors
/// What JSON in PostgreSQL cannot hold: NUL in a text, a key that is no text.
pub(crate) fn node_of<T: Serialize + ?Sized>(value: &T) -> Result<Node<'static>, Unrepresentable> {
    value.serialize(Nodes)
}

/// Serializes JSON in binary form as a part of a larger value.
///
/// # Errors
/// Those of the serializer, which must be this module's: for another they are bytes.
pub(crate) fn serialize_stored<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    struct Bytes<'b>(&'b [u8]);
    impl Serialize for Bytes<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    serializer.serialize_newtype_struct(STORED, &Bytes(bytes))
}

/// Why a value has no form in JSON.
#[derive(Debug)]
pub(crate) struct Unrepresentable(String);

impl Display for Unrepresentable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unrepresentable {}

impl ser::Error for Unrepresentable {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Made = Result<Node<'static>, Unrepresentable>;

fn text(text: impl Into<Cow<'static, str>>) -> Made {
    let text = text.into();
    if text.contains('\0') {
        return Err(ser::Error::custom("PostgreSQL has no NUL in its texts"));
    }
    Ok(Node::Text(text))
}

fn number(digits: &str) -> Node<'static> {
    Node::Number(digits.parse().map_or_else(|_| jsonb::number(digits), jsonb::integer))
}

#[derive(Clone, Copy)]
struct Nodes;

impl Serializer for Nodes {
    type Ok = Node<'static>;
    type Error = Unrepresentable;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Impossible<Node<'static>, Unrepresentable>;
    type SerializeMap = Members;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Node<'static>, Unrepresentable>;

    fn serialize_bool(self, value: bool) -> Made {
        Ok(Node::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Made {
        Ok(Node::Number(jsonb::integer(value)))
    }

    fn serialize_u8(self, value: u8) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Made {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Made {
        Ok(number(&value.to_string()))
    }

    fn serialize_f32(self, value: f32) -> Made {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Made {
        // JSON has neither infinity nor what is no number; serde_json writes null, too.
        Ok(if value.is_finite() { number(&value.to_string()) } else { Node::Null })
    }

    fn serialize_char(self, value: char) -> Made {
        text(value.to_string())
    }

    fn serialize_str(self, value: &str) -> Made {
        text(value.to_owned())
    }

    fn serialize_bytes(self, value: &[u8]) -> Made {
        Ok(Node::Stored(value.to_vec().into()))
    }

    fn serialize_none(self) -> Made {
        Ok(Node::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Made {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Made {
        Ok(Node::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Made {
        Ok(Node::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Made {
        text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Made {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Made {
        Ok(Node::Object(vec![(variant.into(), value.serialize(self)?)]))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Unrepresentable> {
        Ok(Items(Vec::with_capacity(length.unwrap_or_default())))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, Unrepresentable> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, Unrepresentable> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unrepresentable> {
        Err(ser::Error::custom("no model of registrar's has such a variant"))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Members, Unrepresentable> {
        Ok(Members { done: Vec::with_capacity(length.unwrap_or_default()), key: None })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields, Unrepresentable> {
        Ok(Fields { name, done: Vec::with_capacity(length) })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unrepresentable> {
        Err(ser::Error::custom("no model of registrar's has such a variant"))
    }
}

/// An array under way.
struct Items(Vec<Node<'static>>);

impl ser::SerializeSeq for Items {
    type Ok = Node<'static>;
    type Error = Unrepresentable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unrepresentable> {
        self.0.push(value.serialize(Nodes)?);
        Ok(())
    }

    fn end(self) -> Made {
        Ok(Node::Array(self.0))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Node<'static>;
    type Error = Unrepresentable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unrepresentable> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Made {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Node<'static>;
    type Error = Unrepresentable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unrepresentable> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Made {
        ser::SerializeSeq::end(self)
    }
}

/// An object of a map under way.
struct Members {
    done: Vec<(Cow<'static, str>, Node<'static>)>,
    key: Option<Cow<'static, str>>,
}

impl ser::SerializeMap for Members {
    type Ok = Node<'static>;
    type Error = Unrepresentable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unrepresentable> {
        let Node::Text(key) = key.serialize(Nodes)? else { return Err(ser::Error::custom("a key is no text")) };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unrepresentable> {
        let key = self.key.take().ok_or_else(|| ser::Error::custom("a value has no key"))?;
        self.done.push((key, value.serialize(Nodes)?));
        Ok(())
    }

    fn end(self) -> Made {
        Ok(Node::Object(self.done))
    }
}

/// An object of a struct under way, or what `serde_json` hands over in the shape of one.
struct Fields {
    name: &'static str,
    done: Vec<(Cow<'static, str>, Node<'static>)>,
}

impl ser::SerializeStruct for Fields {
    type Ok = Node<'static>;
    type Error = Unrepresentable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unrepresentable> {
        self.done.push((name.into(), value.serialize(Nodes)?));
        Ok(())
    }

    fn end(mut self) -> Made {
        match (self.name, self.done.pop()) {
            (RAW, Some((_, Node::Text(json)))) => Ok(Node::Stored(jsonb::parsed(&json).into())),
            (DIGITS, Some((_, Node::Text(digits)))) => Ok(number(&digits)),
            (_, last) => {
                self.done.extend(last);
                Ok(Node::Object(self.done))
            }
        }
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use std::collections::BTreeMap;

    use pgrx::prelude::*;
    use serde::Serialize;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::{node_of, serialize_stored};
    use crate::jsonb_format;
    use crate::pg::jsonb::{self, Jsonb};

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        OneWord,
    }

    #[derive(Serialize)]
    struct Model {
        name: String,
        nothing: Option<i32>,
        kind: Kind,
        list: Vec<i64>,
        nested: BTreeMap<String, bool>,
        pair: (u8, char),
        raw: Box<RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<bool>,
    }

    #[pg_test]
    fn a_value_is_the_same_as_by_way_of_its_text() {
        let raw = RawValue::from_string(r#"{"b": [1.50, null], "a": "\u00fc"}"#.to_owned()).unwrap();
        let model = Model {
            name: "Jo \"Grüße\" \\ \n".to_owned(),
            nothing: None,
            kind: Kind::OneWord,
            list: vec![0, -1, i64::MAX, i64::MIN, 10_000],
            nested: [("longer key", true), ("k", false)].map(|(key, value)| (key.to_owned(), value)).into(),
            pair: (255, 'ü'),
            raw,
            skipped: None,
        };
        let others = json!({
            "numbers": [0.1, -2.5e-7, 1e300, u64::MAX, 12345678901234567890u64, f64::MIN_POSITIVE],
            "": {"": []}, "deep": [[[{}]], [], ""], "a": null
        });
        let many: serde_json::Map<_, _> = (0..100).map(|n| (format!("key {n}"), json!([n, {"n": n}]))).collect();
        let is_same = "SELECT $1 = $2::jsonb AND $1::text = $2::jsonb::text";
        let check = |binary: Jsonb, text: String| {
            assert_eq!(
                Spi::get_one_with_args(is_same, &[binary.into(), text.clone().into()]),
                Ok(Some(true)),
                "{text}"
            );
        };
        check(Jsonb::of(&model), serde_json::to_string(&model).unwrap());
        check(Jsonb::of(&others), others.to_string());
        check(Jsonb::of(&many), serde_json::to_string(&many).unwrap());
        for scalar in [json!(null), json!(true), json!(7), json!("text"), json!([]), json!({}), json!([1, "a"])] {
            check(Jsonb::of(&scalar), scalar.to_string());
        }
    }

    #[pg_test]
    fn what_is_stored_becomes_a_part_as_it_is() {
        struct Stored(Vec<u8>);
        impl Serialize for Stored {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_stored(&self.0, serializer)
            }
        }
        for json in [r#"{"a": [1, {"b": 2.50}]}"#, "[]", "\"text\"", "12.5", "null"] {
            let whole = Jsonb::of(&[("part", Stored(jsonb::parsed(json)))]);
            assert_eq!(whole.text(), format!(r#"[["part", {json}]]"#));
        }
    }

    #[pg_test]
    fn nul_is_refused_and_a_key_that_comes_twice_is_kept_once() {
        assert!(node_of("a\0").is_err());
        assert!(node_of(&json!({"a\0": 1})).is_err());
        let twice = vec![("key".into(), node_of(&1).unwrap()), ("key".into(), node_of(&2).unwrap())];
        assert_eq!(Jsonb::of_bytes(&jsonb_format::of_object(twice)).text(), r#"{"key": 2}"#);
    }
}
