//! Reading one JSON document of many users, one user after the other: an array, or an object with the array under `users`, as
//! Firebase's `auth:export` writes it.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use super::source_file::Row;

/// Users that are read ahead.
const AHEAD: usize = 100;

/// The users of a document, which a thread of its own reads: serde_json gives nested values only while it reads what is around them.
pub(super) struct JsonDocument {
    users: Receiver<io::Result<Value>>,
    bytes: Arc<AtomicU64>,
    number: u64,
}

impl JsonDocument {
    pub(super) fn new(reader: impl Read + Send + 'static) -> Self {
        let (sender, users) = sync_channel(AHEAD);
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { reader, bytes: Arc::clone(&bytes) };
        std::thread::spawn(move || {
            let mut document = Deserializer::from_reader(counted);
            let read = document.deserialize_any(Users(&sender)).and_then(|()| document.end());
            if let Err(error) = read {
                let what = if error.is_eof() { "it is cut off" } else { "it is no JSON of users" };
                let message = format!("{what}, at line {}, column {}", error.line(), error.column());
                let _ = sender.send(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
            }
        });
        Self { users, bytes, number: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next user; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        let Ok(user) = self.users.recv() else { return Ok(None) };
        self.number += 1;
        let columns = match user? {
            Value::Object(columns) => Ok(columns),
            _ => Err("not a JSON object".to_owned()),
        };
        Ok(Some(Row { number: self.number, columns }))
    }
}

/// A reader that tells how far it has come.
struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Sends on each user that it meets.
struct Users<'s>(&'s SyncSender<io::Result<Value>>);

impl<'de> Visitor<'de> for Users<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of users, or an object with one under users")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut users: A) -> Result<(), A::Error> {
        while let Some(user) = users.next_element::<Value>()? {
            // Whoever wanted them may have gone.
            self.0.send(Ok(user)).map_err(A::Error::custom)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == "users" {
                members.next_value_seed(Users(self.0))?;
                found = true;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::custom("no users")) }
    }
}

impl<'de> DeserializeSeed<'de> for Users<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &'static str) -> (Vec<Result<Value, String>>, Option<String>) {
        let (mut document, mut rows) = (JsonDocument::new(text.as_bytes()), Vec::new());
        loop {
            match document.next() {
                Ok(Some(row)) => rows.push(row.columns.map(Value::Object)),
                Ok(None) => return (rows, None),
                Err(error) => return (rows, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn an_array_or_an_object_of_one_is_read() {
        let expected = vec![Ok(json!({"a": 1})), Err("not a JSON object".to_owned()), Ok(json!({}))];
        assert_eq!(read("[{\"a\": 1}, 7, {}]"), (expected.clone(), None));
        assert_eq!(
            read("{\"kind\": {\"users\": []}, \"users\": [{\"a\": 1}, 7, {}], \"next\": null}\n"),
            (expected, None)
        );
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_told_after_what_was_there() {
        let (rows, error) = read("[{\"a\": 1},\n {\"b\":");
        assert_eq!((rows.len(), error.as_deref()), (1, Some("it is cut off, at line 2, column 6")));
        for other in ["7", "{\"people\": []}", "[] []", "{\"users\": {}}", "nonsense"] {
            assert!(read(other).1.unwrap().contains("no JSON of users"), "{other}");
        }
    }
}
