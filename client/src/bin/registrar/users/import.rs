//! `registrar users import`

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use registrar_client::{Client, ConflictPolicy, ImportReport, RowOutcome, SourceRow, UserImport};
use serde_json::{Value, json};

use super::source_file::{FileFormat, SourceFile};
use crate::failure::Failure;
use crate::output::{self, Format, Rows};
use crate::progress::Progress;
use crate::secret_input;

/// Rows of one call, and about the bytes that they stand in.
const ROWS_PER_CALL: usize = 1_000;
const BYTES_PER_CALL: u64 = 2 * 1024 * 1024;
/// All failures are told on stderr; the JSON document holds this many.
const DETAILS: usize = 100;

/// Import the users of another system, who keep their passwords
///
/// An import that was interrupted is repeated with the same command: rows that are done are not done again. A row that fails costs
/// no other; each is told on stderr, all of them stand in registrar.import_rows, and the exit code is 1 then.
#[derive(Args)]
pub(crate) struct Import {
    /// The file of users: CSV, JSON lines or one JSON document; `-` reads standard input
    file: PathBuf,
    /// The system that the users come from: fastapi-users, django, devise, laravel, firebase, auth0, supabase, custom
    #[arg(long)]
    preset: Option<String>,
    /// Which column a field is in, like email=mail or metadata.city=town; an empty column leaves the field out
    #[arg(long = "map", value_name = "FIELD=COLUMN", value_parser = field_and_column)]
    columns: Vec<(String, Option<String>)>,
    /// What the source is called; the name of the file unless given
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How the users stand in the file; told by its name and beginning unless given
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// What separates the fields of CSV
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// What becomes of a row whose address or number somebody has
    #[arg(long, value_name = "POLICY", default_value = "skip", value_parser = policy)]
    on_conflict: ConflictPolicy,
    /// Change nothing, and tell what would become of each row
    #[arg(long)]
    dry_run: bool,
    /// Take hashes of one round of SHA-1 or MD5 too, each within a new one of argon2id (30 ms a row)
    #[arg(long)]
    allow_weak: bool,
    /// Have users confirm their address first, where no column tells whether they did
    #[arg(long)]
    unverified: bool,
    /// The country of phone numbers that are written without one, like US
    #[arg(long, value_name = "COUNTRY")]
    phone_region: Option<String>,
    /// A file with the hash parameters of a Firebase project, as JSON: {"signer_key": "…", "salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}
    #[arg(long, value_name = "FILE")]
    firebase_key: Option<PathBuf>,
    /// Read what the app put behind each password before it hashed it (Devise) from standard input
    #[arg(long)]
    pepper_stdin: bool,
}

fn field_and_column(text: &str) -> Result<(String, Option<String>), String> {
    let (field, column) = text.split_once('=').ok_or("not like email=mail")?;
    Ok((field.to_owned(), Some(column.to_owned()).filter(|column| !column.is_empty())))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [b'\\', b't'] => Ok(b'\t'),
        [byte] => Ok(*byte),
        _ => Err("not one character of ASCII, nor \\t".to_owned()),
    }
}

fn policy(text: &str) -> Result<ConflictPolicy, String> {
    serde_json::from_value(json!(text)).map_err(|_| "not skip, merge or fail".to_owned())
}

impl Import {
    pub(crate) async fn run(self: Box<Self>, client: &Client, format: Format) -> Result<(), Failure> {
        let import = self.user_import()?;
        let unreadable =
            |source: io::Error| Failure::File { what: format!("{} cannot be read", self.file.display()), source };
        let (mut file, size) = SourceFile::open(&self.file, self.format, self.delimiter).map_err(unreadable)?;
        let progress = size.map_or_else(|| Progress::of("rows"), Progress::of_bytes);
        let mut tally = Tally { progress, report: ImportReport::default(), unreadable: 0, details: Vec::new() };
        let mut begins = true;
        loop {
            let before = file.bytes();
            let rows = tally.next_rows(&mut file).map_err(|error| tally.stopped(unreadable(error)))?;
            if rows.is_empty() {
                return tally.end(format, self.dry_run);
            }
            let report = client.import_user_rows(&import, &rows, begins).await;
            tally.count(report.map_err(|error| tally.stopped(error.into()))?);
            begins = false;
            tally.progress.advance(if size.is_some() { file.bytes() - before } else { rows.len() as u64 });
        }
    }

    fn user_import(&self) -> Result<UserImport, Failure> {
        if self.pepper_stdin && self.file == Path::new("-") {
            let hint = "Name the file, and pipe in the pepper alone.";
            return Err(Failure::usage("Users and pepper cannot both come from standard input.", hint));
        }
        let name = || self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut import = UserImport::of(self.source.clone().or_else(name).unwrap_or_default())
            .on_conflict(self.on_conflict)
            .assume_verified(!self.unverified);
        if let Some(preset) = &self.preset {
            import = import.preset(preset);
        }
        for (field, column) in &self.columns {
            import = import.column(field, column.clone());
        }
        if self.dry_run {
            import = import.dry_run();
        }
        if self.allow_weak {
            import = import.allow_weak();
        }
        if let Some(region) = &self.phone_region {
            import = import.phone_region(region);
        }
        if let Some(path) = &self.firebase_key {
            let what = || format!("{} cannot be read", path.display());
            let key = std::fs::read_to_string(path).map_err(|source| Failure::File { what: what(), source })?;
            import = import.firebase_key(key);
        }
        if self.pepper_stdin {
            import = import.pepper(secret_input::from_stdin()?);
        }
        Ok(import)
    }
}

/// What has become of the rows so far.
struct Tally {
    progress: Progress,
    report: ImportReport,
    /// Rows that could not be read, and were not sent.
    unreadable: u64,
    details: Vec<Value>,
}

impl Tally {
    /// The rows of the next call; empty at the end. Those that cannot be read are told of.
    fn next_rows(&mut self, file: &mut SourceFile) -> io::Result<Vec<SourceRow>> {
        let (mut rows, before) = (Vec::new(), file.bytes());
        while rows.len() < ROWS_PER_CALL && file.bytes() - before < BYTES_PER_CALL {
            let Some(row) = file.next()? else { break };
            match row.columns {
                Ok(columns) => {
                    rows.push(SourceRow { position: i64::try_from(row.number).unwrap_or(i64::MAX), columns })
                }
                Err(reason) => {
                    self.unreadable += 1;
                    let message = format!("The row is {reason}.");
                    self.progress.say(&format!("row {}: {message}", row.number));
                    self.keep(json!({"position": row.number, "outcome": "failed", "reason": "unreadable", "message": message}));
                }
            }
        }
        Ok(rows)
    }

    fn count(&mut self, report: ImportReport) {
        for row in report.examples.iter().filter(|row| row.outcome == RowOutcome::Failed) {
            let line = format!("row {} ({}): {} ({})", row.position, row.key, row.message, row.reason.as_str());
            self.progress.say(&line);
            self.keep(json!(row));
        }
        self.report.add(report);
    }

    fn keep(&mut self, detail: Value) {
        if self.details.len() < DETAILS {
            self.details.push(detail);
        }
    }

    fn stopped(&self, failure: Failure) -> Failure {
        if self.report.rows > 0 {
            let rows = self.report.rows;
            self.progress.say(&format!(
                "It stopped after {rows} rows. Repeating the whole import is safe: what is done is not done again."
            ));
        }
        failure
    }

    fn end(self, format: Format, dry_run: bool) -> Result<(), Failure> {
        let Self { report, unreadable, details, .. } = self;
        let ImportReport { imported, merged, skipped, repeated, schemes, reasons, columns_left_behind, .. } = &report;
        let (all, failed) = (report.rows + unreadable, report.failed + unreadable);
        let message = if dry_run {
            format!("{imported} of {all} rows would be imported.")
        } else {
            format!("Imported {imported} of {all} rows.")
        };
        let mut rows = Rows::default()
            .with("rows", all)
            .with("imported", imported)
            .with("merged", merged)
            .with("skipped", skipped);
        rows = rows.with("failed", failed).with("done before", repeated);
        let data = json!({"rows": all, "imported": imported, "merged": merged, "skipped": skipped, "failed": failed,
                          "repeated": repeated, "unreadable": unreadable, "schemes": schemes, "reasons": reasons,
                          "columns_left_behind": columns_left_behind, "dry_run": dry_run});
        for (scheme, count) in schemes {
            rows = rows.with(&format!("password: {scheme}"), count);
        }
        for (reason, count) in reasons {
            rows = rows.with(&format!("because: {reason}"), count);
        }
        if !columns_left_behind.is_empty() {
            rows = rows.with("left behind", columns_left_behind.join(", "));
        }
        if failed == 0 {
            return match format {
                Format::Table => output::print_table(&message, rows),
                Format::Json => {
                    output::print_json(&json!({"success": true, "message": message, "data": data, "errors": []}))
                }
            };
        }
        if format == Format::Table {
            output::print_table(&message, rows)?;
        }
        let message = format!("{message} {failed} failed.");
        let hint = "Correct the rows that are told above and import again; the others stay as they are.";
        Err(Failure::Items { message, hint, details, data })
    }
}
