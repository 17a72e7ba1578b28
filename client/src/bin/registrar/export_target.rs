//! Where rows are exported to: a file that is there as a whole or not at all, or standard output.

use std::io::{self, Write, stdout};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::new_file::{self, NewFile};
use crate::output::Format;
use crate::progress::Progress;

/// Rows that come at once.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    /// How many rows there are in all, where the page tells.
    pub(crate) total: Option<u64>,
}

#[derive(Args)]
pub(crate) struct ExportTarget {
    /// The file to be written; standard output unless given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "file")]
    force: bool,
}

/// A file that was written.
pub(crate) struct Exported {
    pub(crate) rows: u64,
    pub(crate) file: String,
}

/// Why rows stopped being written.
enum Stopped {
    Call(registrar_client::Error),
    Write(io::Error),
}

impl ExportTarget {
    /// Writes rows as JSON lines, page by page as they come. `None` where they stand on standard output, which has room for nothing else.
    pub(crate) async fn write<T: Serialize>(
        self,
        format: Format,
        next: impl AsyncFnMut() -> registrar_client::Result<Option<Page<T>>>,
    ) -> Result<Option<Exported>, Failure> {
        match self.file {
            Some(path) => {
                let mut file = NewFile::create(&path, self.force)?;
                let rows = write_rows(next, &mut file).await.map_err(|stopped| match stopped {
                    Stopped::Call(error) => error.into(),
                    Stopped::Write(source) => new_file::failed(&path, source),
                })?;
                file.finish()?;
                Ok(Some(Exported { rows, file: path.display().to_string() }))
            }
            None if format == Format::Json => Err(Failure::usage(
                "With --output json, standard output holds one document, and the rows have no place there.",
                "Give --file, or leave out --output json.",
            )),
            None => match write_rows(next, &mut stdout().lock()).await {
                Ok(_) => Ok(None),
                // A reader that has gone away has read what it wanted.
                Err(Stopped::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
                Err(Stopped::Write(source)) => Err(Failure::Io { what: "The rows cannot be written", source }),
                Err(Stopped::Call(error)) => Err(error.into()),
            },
        }
    }
}

/// Writes the rows, and tells how many there were.
async fn write_rows<T: Serialize>(
    mut next: impl AsyncFnMut() -> registrar_client::Result<Option<Page<T>>>,
    target: &mut impl Write,
) -> Result<u64, Stopped> {
    let progress = Progress::of("rows");
    let mut rows = 0;
    while let Some(page) = next().await.map_err(Stopped::Call)? {
        if let Some(total) = page.total {
            progress.expect(total);
        }
        target.write_all(lines(&page.rows).as_bytes()).and_then(|()| target.flush()).map_err(Stopped::Write)?;
        let written = page.rows.len() as u64;
        progress.advance(written);
        rows += written;
    }
    Ok(rows)
}

fn lines(rows: &[impl Serialize]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).expect("a row is JSON") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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
