//! `registrar profile import`

use std::fs::File;
use std::io::{self, BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use registrar_client::{Client, ErrorCode, FieldError, ItemOutcome, Profiles};
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::Ending;
use super::{Table, events};
use crate::failure::Failure;
use crate::json_lines::{JsonLines, Line};
use crate::output::{Format, Rows};
use crate::progress::Progress;

const ROWS_PER_CALL: usize = 500;
/// All failures are told on stderr; the JSON document holds this many.
const DETAILS: usize = 100;

/// Write rows that registrar profile export gave into a profile table
///
/// A row goes over the one that the user has, so that an import can be repeated. A line that fails costs no other line: each
/// is told on stderr with its number, and the exit code is 1 then.
#[derive(Args)]
pub(crate) struct Import {
    /// The file of JSON lines, one row on each; `-` reads them from standard input
    file: PathBuf,
    #[command(flatten)]
    table: Table,
}

impl Import {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let (reader, progress) = open(&self.file)?;
        let unreadable = |source| unreadable(&self.file, source);
        let (profiles, mut lines, mut tally) = (self.table.of(client), JsonLines::new(reader), Tally::new(progress));
        loop {
            let before = lines.bytes();
            let rows = tally.next_rows(&mut lines).map_err(unreadable)?;
            if rows.is_empty() {
                break;
            }
            tally.import(&profiles, rows).await?;
            tally.progress.advance(lines.bytes() - before);
        }
        tally.ending().report(format)
    }
}

fn open(path: &Path) -> Result<(Box<dyn BufRead>, Progress), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(stdin().lock()), Progress::of("bytes")));
    }
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    let size = file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
    Ok((Box::new(BufReader::new(file)), size.map_or_else(|| Progress::of("bytes"), Progress::of_bytes)))
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    if path == Path::new("-") {
        return Failure::Io { what: "Standard input cannot be read", source };
    }
    Failure::File { what: format!("{} cannot be read", path.display()), source }
}

/// What has become of the lines so far.
struct Tally {
    progress: Progress,
    succeeded: u64,
    failed: u64,
    details: Vec<Value>,
}

impl Tally {
    fn new(progress: Progress) -> Self {
        Self { progress, succeeded: 0, failed: 0, details: Vec::new() }
    }

    /// The rows of the next call, each with the number of its line; empty at the end. Lines without a row are told of.
    fn next_rows(&mut self, lines: &mut JsonLines<impl BufRead>) -> io::Result<Vec<(u64, Value)>> {
        let mut rows = Vec::new();
        while rows.len() < ROWS_PER_CALL {
            match lines.next()? {
                None => break,
                Some(Line { number, row: Ok(row) }) => rows.push((number, row)),
                Some(Line { number, row: Err(reason) }) => {
                    let hint = "Give one JSON object on each line, as registrar profile export writes them.";
                    let message = format!("The line is {reason}.");
                    let error = FieldError::of_call(ErrorCode::ValidationFailed, message).with_hint(hint);
                    self.fail(number, None, &[error]);
                }
            }
        }
        Ok(rows)
    }

    async fn import(&mut self, profiles: &Profiles, rows: Vec<(u64, Value)>) -> Result<(), Failure> {
        let (numbers, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let outcome = profiles.import(&rows).await.inspect_err(|_| {
            let (first, done) = (numbers.first().copied().unwrap_or_default(), self.succeeded);
            self.progress.say(&format!(
                "It stopped at line {first}; {done} rows before it were imported. Repeating the whole import is safe."
            ));
        })?;
        for (number, item) in numbers.into_iter().zip(outcome.results) {
            self.count(number, &item);
        }
        Ok(())
    }

    fn count(&mut self, line: u64, item: &ItemOutcome) {
        events::imported(line, item);
        if item.success {
            self.succeeded += 1;
        } else {
            self.fail(line, item.user_id, &item.errors);
        }
    }

    fn fail(&mut self, line: u64, user_id: Option<Uuid>, errors: &[FieldError]) {
        self.failed += 1;
        for error in errors {
            let user = user_id.map_or(String::new(), |id| format!("user {id}: "));
            let field = error.field.as_ref().map_or(String::new(), |field| format!("{field}: "));
            self.progress.say(&format!("line {line}: {user}{field}{} ({})", error.message, error.code));
            if let Some(hint) = &error.hint {
                self.progress.say(&format!("  what to do: {hint}"));
            }
            let FieldError { field, code, message, hint } = error;
            self.keep(json!({"line": line, "user_id": user_id, "field": field, "code": code,
                             "message": message, "hint": hint}));
        }
    }

    fn keep(&mut self, detail: Value) {
        if self.details.len() < DETAILS {
            self.details.push(detail);
        }
    }

    fn ending(self) -> Ending {
        let Self { succeeded, failed, details, .. } = self;
        let lines = succeeded + failed;
        Ending {
            message: format!("Imported {succeeded} of {lines} rows."),
            data: json!({"lines": lines, "succeeded": succeeded, "failed": failed}),
            rows: Rows::default().with("lines", lines).with("imported", succeeded).with("failed", failed),
            failed,
            hint: "Correct the lines that are told above and import again; the others stay as they are.",
            details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(Progress::of("bytes"))
    }

    #[test]
    fn rows_come_in_batches_with_the_numbers_of_their_lines() {
        let text = "{\"a\": 1}\n".repeat(ROWS_PER_CALL) + "nonsense\n\n{\"b\": 2}\n";
        let (mut lines, mut tally) = (JsonLines::new(text.as_bytes()), tally());
        let first = tally.next_rows(&mut lines).unwrap();
        assert_eq!((first.len(), first[0].0, tally.failed), (ROWS_PER_CALL, 1, 0));
        let second = tally.next_rows(&mut lines).unwrap();
        assert_eq!(second, [(ROWS_PER_CALL as u64 + 3, json!({"b": 2}))]);
        assert!(tally.next_rows(&mut lines).unwrap().is_empty());
        assert_eq!((tally.failed, &tally.details[0]["line"]), (1, &json!(ROWS_PER_CALL + 1)));
    }

    #[test]
    fn an_item_is_counted_once_however_many_reasons_it_has() {
        let item = |success, errors| ItemOutcome { user_id: Some(Uuid::nil()), success, profile_id: None, errors };
        let reasons = vec![
            FieldError::invalid("salary_min", "Too high."),
            FieldError::of_call(ErrorCode::UserNotFound, "There is no such user."),
        ];
        let mut tally = tally();
        tally.count(1, &item(true, vec![]));
        tally.count(4, &item(false, reasons));
        let ending = tally.ending();
        assert_eq!(ending.data, json!({"lines": 2, "succeeded": 1, "failed": 1}));
        assert_eq!((ending.failed, ending.message.as_str()), (1, "Imported 1 of 2 rows."));
        let details: Vec<_> = ending.details.iter().map(|detail| (&detail["line"], &detail["code"])).collect();
        assert_eq!(details, [(&json!(4), &json!("validation_failed")), (&json!(4), &json!("user_not_found"))]);
    }

    #[test]
    fn the_details_end_somewhere() {
        let mut tally = tally();
        (0..2 * DETAILS).for_each(|line| tally.keep(json!({"line": line})));
        assert_eq!((tally.details.len(), &tally.details[0]["line"]), (DETAILS, &json!(0)));
    }
}
