//! `import_user_rows`: rows that a back end sends, in as many calls as it takes.

use std::collections::BTreeSet;

use pgrx::prelude::*;
use registrar_core::{FieldError, ImportMapping, ImportOptions, ImportReport, SourceRow};
use serde_json::Value;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::user_import::{message, value};
use crate::pg::{self, Jsonb, without_trace};
use crate::settings;
use crate::store::audit_log::Action;
use crate::store::user_import::Import;

/// Most rows of one call: it is one transaction.
const MAX_ROWS: usize = 10_000;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn import_user_rows(
    p_source: default!(Option<&str>, "NULL"),
    p_rows: default!(Option<Jsonb>, "NULL"),
    p_begins: default!(Option<bool>, "true"),
    p_mapping: default!(Option<Jsonb>, "NULL"),
    p_options: default!(Option<Jsonb>, "NULL"),
) -> Jsonb {
    let caller = Caller::current();
    let rows: Result<Vec<SourceRow>, _> =
        serde_json::from_str(&p_rows.map_or_else(|| "null".to_owned(), Jsonb::into_text));
    let [mapping, options] = [p_mapping, p_options].map(value);
    let begins = p_begins != Some(false);
    pg::as_registrar(|| {
        answer(Action::ImportUsers, |_, _| {
            caller.require_trusted()?;
            let source = p_source.map(str::trim).filter(|source| !source.is_empty());
            let source = source.ok_or_else(|| FieldError::invalid("source", "The source has no name."))?;
            let rows = readable(&rows)?;
            let options = ImportOptions::parse(&options)?;
            let columns = columns(rows, &mapping, begins);
            let mapping =
                ImportMapping::parse(&mapping, &columns).map_err(|errors| Refusal::Errors { errors, user_id: None })?;
            let import = || {
                let policy = settings::hash_policy();
                let import =
                    Spi::connect_mut(|client| Import::begin(client, source, begins, &mapping, &options, policy));
                let mut report = ImportReport {
                    source: source.to_owned(),
                    dry_run: options.dry_run,
                    columns_left_behind: mapping.left_behind(&columns),
                    ..ImportReport::default()
                };
                import.rows(rows, &mut report)?;
                Ok::<_, Refusal>(report)
            };
            let data = if options.dry_run { without_trace(import) } else { import() }?;
            Ok(Done { status: 200, message: message(&data), user_id: None, data })
        })
    })
}

fn readable(rows: &Result<Vec<SourceRow>, serde_json::Error>) -> Result<&[SourceRow], FieldError> {
    let Ok(rows) = rows else {
        let error = FieldError::invalid("rows", "The rows cannot be read.");
        return Err(error.with_hint("Send an array like [{\"position\": 1, \"columns\": {\"email\": \"…\"}}]."));
    };
    if rows.len() > MAX_ROWS {
        return Err(FieldError::invalid("rows", "There are more than 10,000 rows.").with_hint("Make several calls."));
    }
    Ok(rows)
}

/// The columns that the rows have. Later calls may have rows without some of those that were there at first, so that whatever the mapping
/// names counts as there.
fn columns(rows: &[SourceRow], mapping: &Value, begins: bool) -> Vec<String> {
    let mut columns: BTreeSet<&str> = rows.iter().flat_map(|row| row.columns.keys().map(String::as_str)).collect();
    if !begins {
        let named = mapping.as_object().into_iter().flatten().filter(|(field, _)| *field != "preset");
        columns.extend(named.filter_map(|(_, column)| column.as_str()));
    }
    columns.into_iter().map(str::to_owned).collect()
}
