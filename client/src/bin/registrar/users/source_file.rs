//! A file of users, in whichever format.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::csv_rows::CsvRows;
use super::json_document::JsonDocument;
use crate::json_lines::{JsonLines, Line};

/// Enough of a file to tell what it is.
const BEGINNING: usize = 256 * 1024;

/// How users stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    /// The first line names the columns
    Csv,
    /// One JSON object on each line, as Auth0 exports them
    Jsonl,
    /// One JSON array, or an object with one under "users", as firebase auth:export writes it
    Json,
}

/// A user of a file.
pub(super) struct Row {
    /// The number of the line or, in one JSON document, of the user; from 1.
    pub(super) number: u64,
    /// The columns, or why there are none. The reason never repeats what stands in the file.
    pub(super) columns: Result<Map<String, Value>, String>,
}

type Reader = BufReader<Box<dyn Read + Send>>;

/// A file of users that is being read.
pub(super) enum SourceFile {
    Csv(CsvRows<Reader>),
    Jsonl(JsonLines<Reader>),
    Json(JsonDocument),
}

impl SourceFile {
    /// Opens a file, `-` for standard input; also tells its size, where it has one.
    pub(super) fn open(path: &Path, format: Option<FileFormat>, delimiter: u8) -> io::Result<(Self, Option<u64>)> {
        let (reader, size): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path)?;
            let size = file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
            (Box::new(file), size)
        };
        let mut reader = BufReader::with_capacity(BEGINNING, reader);
        let format = match format {
            Some(format) => format,
            None => guess(path, reader.fill_buf()?),
        };
        let file = match format {
            FileFormat::Csv => Self::Csv(CsvRows::new(reader, delimiter)?),
            FileFormat::Jsonl => Self::Jsonl(JsonLines::new(reader)),
            FileFormat::Json => Self::Json(JsonDocument::new(reader)),
        };
        Ok((file, size))
    }

    /// How many bytes have been read.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Csv(rows) => rows.bytes(),
            Self::Jsonl(lines) => lines.bytes(),
            Self::Json(document) => document.bytes(),
        }
    }

    /// The next user; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        let row = match self {
            Self::Csv(rows) => rows.next()?,
            Self::Json(document) => document.next()?,
            Self::Jsonl(lines) => lines.next()?.map(|Line { number, row }| {
                let object = |row| {
                    if let Value::Object(columns) = row { Ok(columns) } else { Err("not a JSON object".to_owned()) }
                };
                Row { number, columns: row.and_then(object) }
            }),
        };
        // PostgreSQL keeps no NUL, and would refuse all rows of the call.
        Ok(row.map(|row| Row { columns: row.columns.and_then(without_nul), ..row }))
    }
}

fn without_nul(columns: Map<String, Value>) -> Result<Map<String, Value>, String> {
    fn has_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(has_nul),
            Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
            _ => false,
        }
    }
    let found = columns.iter().any(|(name, value)| name.contains('\0') || has_nul(value));
    if found { Err("not text: it has the character NUL in it".to_owned()) } else { Ok(columns) }
}

/// By the name of the file; where that says JSON, by whether its first line is a whole object that is not a document of users.
fn guess(path: &Path, beginning: &[u8]) -> FileFormat {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    if ["csv", "tsv"].contains(&extension.as_str()) {
        return FileFormat::Csv;
    }
    let text = beginning.trim_ascii_start();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_line = serde_json::from_slice::<Map<String, Value>>(first).is_ok_and(|object| !object.contains_key("users"));
    let is_json = extension == "json" || text.starts_with(b"[") || first.trim_ascii() == b"{";
    match text.first() {
        Some(b'{' | b'[') if is_json && !is_line => FileFormat::Json,
        Some(b'{') => FileFormat::Jsonl,
        Some(_) if extension.is_empty() => FileFormat::Csv,
        _ => FileFormat::Jsonl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_is_told_by_name_and_beginning() {
        use FileFormat::{Csv, Json, Jsonl};
        for (name, beginning, expected) in [
            ("users.csv", "id,email", Csv),
            ("users.json", "{\"users\": [{", Json),
            ("users.json", "\n[{\"id\": 1", Json),
            ("auth0.json", "{\"user_id\": \"auth0|1\"}\n{", Jsonl),
            ("users.jsonl", "{\"id\": 1}", Jsonl),
            ("users.ndjson", "", Jsonl),
            ("-", "{\"id\": 1}\n", Jsonl),
            ("-", "{\n  \"users\": [", Json),
            ("-", "id,email\n1,", Csv),
        ] {
            assert_eq!(guess(Path::new(name), beginning.as_bytes()), expected, "{name} {beginning}");
        }
    }
}
