//! Reading CSV (RFC 4180): each record as an object of the columns in the first.

use std::io::{self, BufRead};

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::source_file::Row;
use crate::lines::{Lines, RawLine};

/// Most lines of one record: beyond them a quotation mark was not closed.
const MOST_LINES: u64 = 1_000;

/// The number of a record's first line, and its text or why it was not kept.
type Record = (u64, Result<Vec<u8>, String>);

/// The records of a file or pipe.
pub(super) struct CsvRows<R> {
    lines: Lines<R>,
    delimiter: u8,
    columns: Vec<String>,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// Where they cannot be read, or one is there twice.
    pub(super) fn new(reader: R, delimiter: u8) -> io::Result<Self> {
        let mut rows = Self { lines: Lines::new(reader), delimiter, columns: Vec::new() };
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let Some((_, text)) = rows.record()? else { return Err(invalid("there is nothing in it".into())) };
        let columns = text.and_then(|text| rows.fields(&text));
        rows.columns = columns.map_err(|reason| invalid(format!("the names of the columns are {reason}")))?;
        let twice = (1..rows.columns.len()).find(|place| rows.columns[..*place].contains(&rows.columns[*place]));
        match twice {
            Some(place) => Err(invalid(format!("it has the column {} twice", rows.columns[place]))),
            None => Ok(rows),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        while let Some((number, text)) = self.record()? {
            if text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            let columns = text.and_then(|text| self.fields(&text)).and_then(|fields| self.object(fields));
            return Ok(Some(Row { number, columns }));
        }
        Ok(None)
    }

    /// The text of the next record with the number of its first line: lines up to one that closes all quotation marks.
    fn record(&mut self) -> io::Result<Option<Record>> {
        let Some(RawLine { number, text }) = self.lines.next()? else { return Ok(None) };
        let mut record = match text {
            Ok(text) => text,
            Err(reason) => return Ok(Some((number, Err(reason.to_owned())))),
        };
        let mut lines = 1;
        while record.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            lines += 1;
            match self.lines.next()? {
                Some(RawLine { text: Ok(text), .. }) if lines <= MOST_LINES => record.extend(text),
                None => return Ok(Some((number, Err("cut off: a quotation mark is not closed".into())))),
                Some(_) => {
                    let message = format!("a quotation mark in line {number} is not closed");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
        Ok(Some((number, Ok(record))))
    }

    fn fields(&self, text: &[u8]) -> Result<Vec<String>, String> {
        let mut record = ByteRecord::new();
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .delimiter(self.delimiter)
            .buffer_capacity(text.len())
            .from_reader(text);
        reader.read_byte_record(&mut record).map_err(|_| "no CSV".to_owned())?;
        let fields = record.iter().map(|field| std::str::from_utf8(field).map(str::to_owned));
        fields.collect::<Result<_, _>>().map_err(|_| "not in UTF-8".to_owned())
    }

    /// What is empty is null.
    fn object(&self, fields: Vec<String>) -> Result<Map<String, Value>, String> {
        let (there, named) = (fields.len(), self.columns.len());
        if there != named {
            return Err(format!("of {there} fields, where there are {named} columns"));
        }
        let value = |field: String| if field.is_empty() { Value::Null } else { field.into() };
        Ok(self.columns.iter().cloned().zip(fields.into_iter().map(value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Result<Value, String>)> {
        let mut rows = CsvRows::new(text, b',').unwrap();
        let mut read = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            read.push((row.number, row.columns.map(Value::Object)));
        }
        assert_eq!(rows.bytes(), text.len() as u64);
        read
    }

    #[test]
    fn records_are_objects_or_tell_why_not() {
        let rows = read(b"\xef\xbb\xbfid,name\r\n1,\"Ada \"\"the\nCountess\"\"\"\r\n\n2,\n3,a,b\n4,\xff\n5,\"cut");
        let expected = [
            (2, Ok(json!({"id": "1", "name": "Ada \"the\nCountess\""}))),
            (5, Ok(json!({"id": "2", "name": null}))),
            (6, Err("of 3 fields, where there are 2 columns".to_owned())),
            (7, Err("not in UTF-8".to_owned())),
            (8, Err("cut off: a quotation mark is not closed".to_owned())),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn columns_must_be_there_once() {
        let fault = |text: &str| CsvRows::new(text.as_bytes(), b',').err().map(|error| error.to_string());
        assert_eq!(fault(""), Some("there is nothing in it".into()));
        assert_eq!(fault("id,email,id\n"), Some("it has the column id twice".into()));
        assert_eq!(
            fault("id,\"email\n"),
            Some("the names of the columns are cut off: a quotation mark is not closed".into())
        );
    }
}
