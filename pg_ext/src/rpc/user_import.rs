//! `import_users`: run by the owner of the database, who reads the source with the own rights.

use std::borrow::Cow;
use std::cell::Cell;

use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use registrar_core::{FieldError, ImportMapping, ImportOptions, ImportReport, SourceRow};
use serde_json::{Map, Value};

use super::answer::{Done, Refusal, answer};
use crate::pg::{self, Jsonb, PgError, subtransaction, without_trace};
use crate::settings;
use crate::store::audit_log::Action;
use crate::store::user_import::{BATCH, Import};

// Without a search_path of its own: the names in the source are the caller's.
#[pg_extern]
fn import_users(
    p_source: Option<&str>,
    p_mapping: default!(Option<Jsonb>, "NULL"),
    p_options: default!(Option<Jsonb>, "NULL"),
) -> Jsonb {
    let caller = pg::current_user_id();
    let [mapping, options] = [p_mapping, p_options].map(value);
    pg::as_registrar(|| {
        answer(Action::ImportUsers, |_, _| {
            let _running = Running::begin()?;
            let options = ImportOptions::parse(&options)?;
            let source = Source::read(caller, p_source.unwrap_or_default(), &options)?;
            let mapping = ImportMapping::parse(&mapping, &source.columns)
                .map_err(|errors| Refusal::Errors { errors, user_id: None })?;
            let import = || import(&source, &mapping, &options);
            let data = if options.dry_run { without_trace(import) } else { import() }?;
            Ok(Done { status: 200, message: message(&data), user_id: None, data })
        })
    })
}

pub(super) fn value(parameter: Option<Jsonb>) -> Value {
    parameter.and_then(|json| serde_json::from_str(&json.into_text()).ok()).unwrap_or_default()
}

pub(super) fn message(report: &ImportReport) -> Cow<'static, str> {
    let ImportReport { rows, imported, merged, skipped, failed, repeated, .. } = report;
    let would = if report.dry_run { "A dry run: of" } else { "Of" };
    format!("{would} {rows} rows: {imported} imported, {merged} merged, {skipped} skipped, {failed} failed, {repeated} done before")
        .into()
}

fn import(source: &Source, mapping: &ImportMapping, options: &ImportOptions) -> Result<ImportReport, Refusal> {
    let mut report = ImportReport {
        source: source.name.clone(),
        dry_run: options.dry_run,
        columns_left_behind: mapping.left_behind(&source.columns),
        ..ImportReport::default()
    };
    let policy = settings::hash_policy();
    let import = pg::with_search_path(|| {
        Spi::connect_mut(|client| Import::begin(client, &source.name, true, mapping, options, policy))
    });
    let mut rows = source.open()?;
    loop {
        let batch = rows.next()?;
        pg::with_search_path(|| import.rows(&batch, &mut report))?;
        if batch.len() < BATCH {
            return Ok(report);
        }
    }
}

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// An import under way: what it reads may ask for another one.
struct Running;

impl Running {
    fn begin() -> Result<Self, FieldError> {
        if IS_RUNNING.replace(true) {
            let error = FieldError::invalid("source", "The source itself imports users.");
            return Err(error.with_hint("Name a table or query that only reads."));
        }
        Ok(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        IS_RUNNING.set(false);
    }
}

/// Where the users are.
struct Source {
    caller: Oid,
    name: String,
    query: String,
    columns: Vec<String>,
}

impl Source {
    /// # Errors
    /// `validation_failed` on `source` where it is no table or query that the caller can read.
    fn read(caller: Oid, given: &str, options: &ImportOptions) -> Result<Self, FieldError> {
        let given = given.trim().trim_end_matches(';').trim();
        if given.is_empty() {
            return Err(FieldError::invalid("source", "There is no source.").with_hint(NAME_A_TABLE));
        }
        let first = given.split(|letter: char| !letter.is_ascii_alphabetic()).find(|word| !word.is_empty());
        let is_query = ["select", "with", "values", "table"]
            .contains(&first.unwrap_or_default().to_lowercase().as_str())
            && given.contains(char::is_whitespace);
        let table = if is_query { None } else { Some(table(caller, given)?) };
        let name = options.source.clone().or_else(|| table.clone()).filter(|name| !name.trim().is_empty());
        let Some(name) = name else {
            let error = FieldError::invalid("source", "A query has no name by which a second import would know it.");
            return Err(error.with_hint("Name it: p_options => '{\"source\": \"old users\"}'."));
        };
        let query = table.map_or_else(|| given.to_owned(), |table| format!("SELECT * FROM {table}"));
        let columns = columns(caller, &query)?;
        Ok(Self { caller, name, query, columns })
    }

    /// Opens the source as it is now, whatever is changed in it meanwhile.
    fn open(&self) -> Result<Rows, FieldError> {
        let query = format!("SELECT pg_catalog.row_to_json(source)::pg_catalog.text FROM ({}\n) AS source", self.query);
        let opened = subtransaction(|| {
            pg::as_role(self.caller, || {
                Ok::<_, PgError>(Spi::connect(|client| client.open_cursor(query.as_str(), &[]).detach_into_name()))
            })
        });
        opened.map(|cursor| Rows { caller: self.caller, cursor, position: 0 }).map_err(|error| unreadable(&error))
    }
}

const NAME_A_TABLE: &str =
    "Name a table or view with its schema, like public.users, or write a query: SELECT … FROM ….";

/// The table of that name, as the caller would write it.
fn table(caller: Oid, name: &str) -> Result<String, FieldError> {
    let found = subtransaction(|| {
        Ok::<_, PgError>(pg::as_role(caller, || {
            let query = "SELECT pg_catalog.to_regclass($1)::pg_catalog.text";
            Spi::get_one_with_args::<String>(query, &[name.into()]).ok().flatten()
        }))
    });
    found
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| FieldError::invalid("source", "There is no such table.").with_hint(NAME_A_TABLE))
}

fn columns(caller: Oid, query: &str) -> Result<Vec<String>, FieldError> {
    let query = format!("SELECT * FROM ({query}\n) AS source LIMIT 0");
    let found = subtransaction(|| {
        Ok::<_, PgError>(pg::as_role(caller, || {
            Spi::connect(|client| {
                let table = client.select(query.as_str(), None, &[]).expect("PostgreSQL either runs a query or raises");
                let count = table.columns().unwrap_or_default();
                (1..=count).filter_map(|place| table.column_name(place).ok()).collect()
            })
        }))
    });
    found.map_err(|error| unreadable(&error))
}

fn unreadable(error: &PgError) -> FieldError {
    FieldError::invalid("source", format!("The source cannot be read: {}.", error.message))
        .with_hint("Name a table or view that you may read, or write one query that only reads.")
}

/// The rows of a source, in the order in which they come.
struct Rows {
    caller: Oid,
    cursor: String,
    position: i64,
}

impl Rows {
    /// The next rows; fewer than a batch where there are no more.
    fn next(&mut self) -> Result<Vec<SourceRow>, FieldError> {
        let fetched: Result<Vec<Option<String>>, PgError> = subtransaction(|| {
            Ok(pg::as_role(self.caller, || {
                // A connection of its own, at the end of which the rows are freed.
                Spi::connect(|client| {
                    let mut cursor = client.find_cursor(&self.cursor).expect("it was opened in this transaction");
                    let count = i64::try_from(BATCH).unwrap_or(i64::MAX);
                    let table = cursor.fetch(count).expect("PostgreSQL either fetches or raises");
                    let rows = table.map(|row| row.get(1).ok().flatten()).collect();
                    cursor.detach_into_name();
                    rows
                })
            }))
        });
        let fetched = fetched.map_err(|error| unreadable(&error))?;
        let rows = fetched.into_iter().map(|json| {
            self.position += 1;
            let columns: Map<String, Value> =
                json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
            SourceRow { position: self.position, columns }
        });
        Ok(rows.collect())
    }
}
