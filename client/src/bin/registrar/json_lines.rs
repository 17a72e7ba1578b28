//! Reading JSON lines: one object on each line.

use std::io::{self, BufRead};

use serde_json::Value;

use crate::lines::Lines;

/// The lines of a file or pipe.
pub(crate) struct JsonLines<R>(Lines<R>);

/// A line that is not empty.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The object, or why there is none. The reason never repeats what stands in the line.
    pub(crate) row: Result<Value, String>,
}

impl<R: BufRead> JsonLines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self(Lines::new(reader))
    }

    /// How many bytes have been read.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// The next line that is not empty; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some(line) = self.0.next()? {
            // Without the line break, for one inside of a text that is cut off is another error.
            let row = match &line.text {
                Ok(text) if text.trim_ascii().is_empty() => continue,
                Ok(text) => parse(text.trim_ascii()),
                Err(reason) => Err((*reason).to_owned()),
            };
            return Ok(Some(Line { number: line.number, row }));
        }
        Ok(None)
    }
}

fn parse(text: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(text) {
        Ok(row @ Value::Object(_)) => Ok(row),
        Ok(_) => Err("not a JSON object".into()),
        Err(error) if error.is_eof() => Err("cut off: not a whole JSON object".into()),
        Err(error) => Err(format!("not JSON, from column {}", error.column())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &[u8]) -> Vec<(u64, Result<Value, String>)> {
        let mut lines = JsonLines::new(text);
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push((line.number, line.row));
        }
        assert_eq!(lines.bytes(), text.len() as u64);
        read
    }

    #[test]
    fn each_line_is_an_object_or_tells_why_not() {
        let lines = read(b"{\"a\": 1}\r\n\n  \n{\"b\": \"secret\n[\"secret\"]\n{secret}\n\xff\n{\"c\": null}");
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 4, 5, 6, 7, 8]);
        assert_eq!((&lines[0].1, &lines[5].1), (&Ok(json!({"a": 1})), &Ok(json!({"c": null}))));
        for (number, row) in &lines[1..5] {
            let reason = row.as_ref().unwrap_err();
            assert!(!reason.contains("secret"), "{number}: {reason}");
        }
        assert_eq!(lines[1].1, Err("cut off: not a whole JSON object".into()));
        assert_eq!(lines[2].1, Err("not a JSON object".into()));
        assert_eq!(lines[3].1, Err("not JSON, from column 2".into()));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(read(b"\xef\xbb\xbf{}\n"), [(1, Ok(json!({})))]);
        assert!(read(b"{}\n\xef\xbb\xbf{}\n")[1].1.is_err());
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let line = br#"{"n":12345678901234567890.10}"#;
        let [(1, Ok(row))] = &read(line)[..] else { panic!() };
        assert_eq!(row.to_string().as_bytes(), line);
    }
}
