//! PostgreSQL's binary form of JSON (src/include/utils/jsonb.h, the same on disk since 9.4), written from values, and around what a
//! query has returned in it: to wrap a profile in an answer by PostgreSQL's own functions takes as long as to look it up.

use std::borrow::Cow;

/// Flags of a container, beside the number of its entries.
const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;
/// Kinds of an entry, beside its length.
const STRING: u32 = 0;
const NUMBER: u32 = 0x1000_0000;
const BOOL_FALSE: u32 = 0x2000_0000;
const BOOL_TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;
const KINDS: u32 = 0x7000_0000;
/// That an entry has the offset of its end in place of its length; every 32nd has.
const HAS_OFFSET: u32 = 0x8000_0000;
const STRIDE: usize = 32;
/// Bytes of the header and the first entry.
const WORD: usize = 4;
/// What an entry has for a length: no value may be longer.
const MAX_LENGTH: usize = 0x0FFF_FFFF;
/// The header of an array that stands for the one scalar in it.
const SCALAR: u32 = 0x1000_0000 | ARRAY | 1;

/// A value to be written.
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// In the form of PostgreSQL's type numeric.
    Number(Vec<u8>),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// The members, in whatever order; of those with one name the last counts.
    Object(Members<'a>),
    /// A value in binary form: an object, an array, or a scalar, which stands in an array of its own.
    Stored(Cow<'a, [u8]>),
}

type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

/// The binary form of an object, without the length that goes before every value of variable length.
pub(crate) fn of_object(members: Members<'_>) -> Vec<u8> {
    of(Node::Object(members))
}

/// The same of any value.
pub(crate) fn of(node: Node<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    match node {
        Node::Object(members) => write_object(&mut bytes, members),
        Node::Array(items) => write_array(&mut bytes, ARRAY | items.len() as u32, items),
        Node::Stored(value) => bytes.extend_from_slice(&value),
        scalar => write_array(&mut bytes, SCALAR, vec![scalar]),
    }
    bytes
}

fn write_array(bytes: &mut Vec<u8>, header: u32, items: Vec<Node<'_>>) {
    let mut entries = Entries::begin(bytes, header, items.len());
    for item in items {
        let kind = write(bytes, item);
        entries.end(bytes, kind);
    }
}

fn write_object(bytes: &mut Vec<u8>, mut members: Members<'_>) {
    // PostgreSQL looks keys up by length first.
    members.sort_by(|(one, _), (other, _)| (one.len(), one.as_bytes()).cmp(&(other.len(), other.as_bytes())));
    members.dedup_by(|later, earlier| {
        let is_again = later.0 == earlier.0;
        if is_again {
            std::mem::swap(later, earlier);
        }
        is_again
    });
    let count = members.len();
    let mut entries = Entries::begin(bytes, OBJECT | count as u32, 2 * count);
    for (key, _) in &members {
        bytes.extend_from_slice(key.as_bytes());
        entries.end(bytes, STRING);
    }
    for (_, value) in members {
        let kind = write(bytes, value);
        entries.end(bytes, kind);
    }
}

/// Writes a value where it stands, and returns its kind.
fn write(bytes: &mut Vec<u8>, node: Node<'_>) -> u32 {
    match node {
        Node::Null => NULL,
        Node::Bool(false) => BOOL_FALSE,
        Node::Bool(true) => BOOL_TRUE,
        Node::Number(number) => {
            align(bytes);
            bytes.extend_from_slice(&number);
            NUMBER
        }
        Node::Text(text) => {
            bytes.extend_from_slice(text.as_bytes());
            STRING
        }
        Node::Object(members) => {
            align(bytes);
            write_object(bytes, members);
            CONTAINER
        }
        Node::Array(items) => {
            align(bytes);
            write_array(bytes, ARRAY | items.len() as u32, items);
            CONTAINER
        }
        Node::Stored(value) => match scalar(&value) {
            Some((kind, content)) => {
                if kind == NUMBER {
                    align(bytes);
                }
                bytes.extend_from_slice(content);
                kind
            }
            None => {
                align(bytes);
                bytes.extend_from_slice(&value);
                CONTAINER
            }
        },
    }
}

/// The kind and content of a scalar, which is an array of one that says so.
fn scalar(value: &[u8]) -> Option<(u32, &[u8])> {
    let word = |place: usize| {
        value.get(place..place + WORD).map(|word| u32::from_ne_bytes(word.try_into().unwrap_or_default()))
    };
    (word(0)? == SCALAR).then_some(())?;
    Some((word(WORD)? & KINDS, &value[2 * WORD..]))
}

/// Values are aligned relative to the beginning, before which stands a length of four bytes.
fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(WORD), 0);
}

/// The entries of a container, filled in as the values are written behind them.
struct Entries {
    /// Where the next entry stands.
    next: usize,
    index: usize,
    /// Where the values begin, and where the value before ended.
    values: usize,
    last: usize,
}

impl Entries {
    fn begin(bytes: &mut Vec<u8>, header: u32, count: usize) -> Self {
        bytes.extend_from_slice(&header.to_ne_bytes());
        let next = bytes.len();
        let values = next + WORD * count;
        bytes.resize(values, 0);
        Self { next, index: 0, values, last: values }
    }

    fn end(&mut self, bytes: &mut [u8], kind: u32) {
        assert!(bytes.len() - self.values <= MAX_LENGTH, "JSON of more than 256 MB has no binary form");
        let entry = match self.index % STRIDE {
            0 => kind | HAS_OFFSET | (bytes.len() - self.values) as u32,
            _ => kind | (bytes.len() - self.last) as u32,
        };
        bytes[self.next..self.next + WORD].copy_from_slice(&entry.to_ne_bytes());
        self.next += WORD;
        self.index += 1;
        self.last = bytes.len();
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::{Node, of_object};
    use crate::pg::jsonb::{Jsonb, stored};

    /// What PostgreSQL makes of it, after reading it as it would from a table.
    fn read(members: Vec<(&str, Node<'_>)>) -> (String, bool) {
        let members = members.into_iter().map(|(name, node)| (name.into(), node)).collect();
        let jsonb = Jsonb::of_bytes(&of_object(members));
        let text = jsonb.text();
        let same = "SELECT $1 = $2::text::jsonb";
        let is_same = Spi::get_one_with_args(same, &[jsonb.into(), text.clone().into()]).unwrap().unwrap();
        (text, is_same)
    }

    #[pg_test]
    fn postgresql_reads_what_is_written() {
        let (text, is_same) = read(vec![
            ("success", Node::Bool(true)),
            ("no", Node::Bool(false)),
            ("message", Node::Text("grüße \"you\"".into())),
            (
                "data",
                Node::Object(vec![
                    ("user_id".into(), Node::Text("x".into())),
                    ("empty".into(), Node::Object(Vec::new())),
                ]),
            ),
            ("errors", Node::Array(Vec::new())),
        ]);
        assert_eq!(
            text,
            r#"{"no": false, "data": {"empty": {}, "user_id": "x"}, "errors": [], "message": "grüße \"you\"", "success": true}"#
        );
        assert!(is_same);
    }

    #[pg_test]
    fn what_a_query_returned_is_wrapped_as_it_is() {
        for json in [
            r#"{"a": 1, "list": [1, {"b": null}, "x"], "number": 12345.678901}"#,
            "[1, 2, 3]",
            "[]",
            "{}",
            "7",
            "-0.5",
            "\"text\"",
            "\"\"",
            "true",
            "false",
            "null",
        ] {
            let value: pgrx::datum::DatumWithOid<'_> = pgrx::JsonB(serde_json::from_str(json).unwrap()).into();
            let bytes = stored(&value).unwrap();
            let (text, is_same) = read(vec![
                ("odd", Node::Text("length".into())),
                ("wrapped", Node::Stored(bytes.as_slice().into())),
                ("after it", Node::Object(vec![("deeper".into(), Node::Stored(bytes.as_slice().into()))])),
            ]);
            assert!(text.contains(&format!("\"wrapped\": {json}")), "{text}");
            assert!(text.contains(&format!("\"deeper\": {json}")), "{text}");
            assert!(is_same, "{text}");
        }
    }

    #[pg_test]
    fn an_object_of_many_members_has_offsets_among_its_lengths() {
        let names: Vec<String> = (0..100).map(|number| format!("key {number}")).collect();
        let members = || names.iter().map(|name| (name.as_str(), Node::Text(name.into()))).collect::<Vec<_>>();
        let (text, is_same) = read(members());
        assert!(text.contains(r#""key 99": "key 99""#), "{text}");
        assert!(is_same);
        let found: Option<String> = Spi::get_one_with_args(
            "SELECT $1 ->> 'key 57'",
            &[Jsonb::of_bytes(&of_object(members().into_iter().map(|(name, node)| (name.into(), node)).collect()))
                .into()],
        )
        .unwrap();
        assert_eq!(found.as_deref(), Some("key 57"));
    }
}
