//! `registrar profile export`

use std::io::{self, Write, stdout};
use std::path::PathBuf;

use clap::Args;
use registrar_client::{Client, ProfilePages};
use serde_json::{Value, json};

use super::new_file::{self, NewFile};
use super::{Table, document};
use crate::failure::Failure;
use crate::output::{Format, Rows};
use crate::progress::Progress;

const ROWS_PER_PAGE: u32 = 1000;

/// Write all rows of a profile table as JSON lines, to be read by registrar profile import
///
/// A file is written under another name and renamed at the end, so that it is there as a whole or not at all; only its owner
/// may read it.
#[derive(Args)]
pub(crate) struct Export {
    /// The file to be written; standard output unless given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "file")]
    force: bool,
    #[command(flatten)]
    table: Table,
}

/// Why rows stopped being written.
enum Stopped {
    Call(registrar_client::Error),
    Write(io::Error),
}

impl Export {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let pages = self.table.of(client).export(ROWS_PER_PAGE);
        match self.file {
            Some(path) => {
                let mut file = NewFile::create(&path, self.force)?;
                let rows = write_rows(pages, &mut file).await.map_err(|stopped| match stopped {
                    Stopped::Call(error) => error.into(),
                    Stopped::Write(source) => new_file::failed(&path, source),
                })?;
                file.finish()?;
                let file = path.display().to_string();
                let table = Rows::default().with("rows", rows).with("file", &file);
                document::print_of_table(
                    format,
                    &format!("Exported {rows} rows."),
                    json!({"rows": rows, "file": file}),
                    table,
                )
            }
            None if format == Format::Json => Err(Failure::usage(
                "With --output json, standard output holds one document, and the rows have no place there.",
                "Give --file, or leave out --output json.",
            )),
            None => match write_rows(pages, &mut stdout().lock()).await {
                Ok(_) => Ok(()),
                // A reader that has gone away has read what it wanted.
                Err(Stopped::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                Err(Stopped::Write(source)) => Err(Failure::Io { what: "The rows cannot be written", source }),
                Err(Stopped::Call(error)) => Err(error.into()),
            },
        }
    }
}

/// Writes the rows as they come, and tells how many there were.
async fn write_rows(mut pages: ProfilePages<Value>, target: &mut impl Write) -> Result<u64, Stopped> {
    let progress = Progress::of("rows");
    let mut rows = 0;
    while let Some(page) = pages.next().await.map_err(Stopped::Call)? {
        if let Some(total) = page.total {
            progress.expect(total);
        }
        target.write_all(lines(&page.profiles).as_bytes()).and_then(|()| target.flush()).map_err(Stopped::Write)?;
        let written = page.profiles.len() as u64;
        progress.advance(written);
        rows += written;
    }
    Ok(rows)
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_lines::JsonLines;

    #[test]
    fn what_is_exported_is_read_back_the_same() {
        let rows: Vec<Value> = serde_json::from_str(
            r#"[{"user_id": "a", "text": "two\nlines \u2028 \u0001 ü", "list": ["x"], "number": 0.10, "none": null},
                {"user_id": "b", "nested": {"a": [1, 2.50]}, "yes": true}]"#,
        )
        .unwrap();
        let text = lines(&rows);
        assert_eq!(text.lines().count(), 2);
        let mut read_back = JsonLines::new(text.as_bytes());
        for row in rows {
            assert_eq!(read_back.next().unwrap().unwrap().row, Ok(row));
        }
        assert!(read_back.next().unwrap().is_none());
    }
}
