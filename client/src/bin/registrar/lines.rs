//! Reading a file or pipe line by line, in a bounded amount of memory.

use std::io::{self, BufRead, Read};

/// Far above any row; of a longer line the rest is read past.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// How far: a file without line breaks that was given by mistake is not read whole.
const LONGEST_REST: u64 = 1024 * 1024 * 1024;
/// What some programs begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file or pipe.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    bytes: u64,
}

/// A line, with its line break.
pub(crate) struct RawLine {
    /// Counted from 1.
    pub(crate) number: u64,
    /// What stands there, or why it was not kept.
    pub(crate) text: Result<Vec<u8>, &'static str>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, number: 0, bytes: 0 }
    }

    /// How many bytes have been read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawLine>> {
        let mut text = Vec::new();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut text)? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read;
        if read == LONGEST_LINE && !text.ends_with(b"\n") {
            drop(text);
            self.read_past()?;
            return Ok(Some(RawLine { number: self.number, text: Err("longer than 16 MiB") }));
        }
        if self.number == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(RawLine { number: self.number, text: Ok(text) }))
    }

    fn read_past(&mut self) -> io::Result<()> {
        let mut rest = (&mut self.reader).take(LONGEST_REST);
        let skipped = rest.skip_until(b'\n')? as u64;
        self.bytes += skipped;
        if rest.limit() == 0 {
            let message = format!("line {} is longer than 1 GiB; each row has a line of its own", self.number);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_costs_no_other() {
        let text = [b"a\n".as_slice(), &b"x".repeat(20 * 1024 * 1024), b"\nb"].concat();
        let mut lines = Lines::new(text.as_slice());
        let mut next = || lines.next().unwrap().map(|line| (line.number, line.text));
        assert_eq!(next(), Some((1, Ok(b"a\n".to_vec()))));
        assert_eq!(next(), Some((2, Err("longer than 16 MiB"))));
        assert_eq!(next(), Some((3, Ok(b"b".to_vec()))));
        assert_eq!(next(), None);
        assert_eq!(lines.bytes(), text.len() as u64);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = io::BufReader::with_capacity(1 << 20, io::repeat(b'x'));
        let Err(error) = Lines::new(endless).next() else { panic!("it ended") };
        assert!(error.to_string().contains("line 1 is longer"), "{error}");
    }
}
