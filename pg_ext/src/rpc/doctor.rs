//! `doctor`, and `declare_relation` and `withdraw_relation` that tell it what to watch over.

use pgrx::prelude::*;

use super::setup::{raise, require_setup};
use crate::pg;
use crate::store::doctor::{self, Check, Finding};

type Row = (String, String, Option<String>, String, String, Option<String>);

/// One row for each finding, and for each check that found nothing one that says so.
#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
#[expect(clippy::type_complexity, reason = "pgrx reads the columns off the type")]
fn doctor() -> TableIterator<
    'static,
    (
        name!(check, String),
        name!(severity, String),
        name!(object, Option<String>),
        name!(finding, String),
        name!(why, String),
        name!(fix_sql, Option<String>),
    ),
> {
    let mut findings = doctor::examine().into_iter().peekable();
    let mut rows: Vec<Row> = Vec::new();
    for &check in Check::ALL {
        if findings.peek().is_none_or(|finding| finding.check != check) {
            let nothing = "Nothing was found.".to_owned();
            rows.push((check.as_str().to_owned(), "ok".to_owned(), None, nothing, check.why().to_owned(), None));
        }
        while let Some(Finding { severity, object, finding, fix_sql, .. }) =
            findings.next_if(|next| next.check == check)
        {
            let (name, severity) = (check.as_str().to_owned(), severity.as_str().to_owned());
            rows.push((name, severity, Some(object), finding, check.why().to_owned(), fix_sql));
        }
    }
    TableIterator::new(rows)
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn declare_relation(p_table: &str, p_column: &str, p_update_cascade: default!(bool, true)) {
    Spi::connect_mut(|client| {
        require_setup(client);
        let (schema, table) = qualified(p_table);
        pg::as_registrar(|| doctor::declare(client, (&schema, &table), p_column, p_update_cascade));
    });
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn withdraw_relation(p_table: &str, p_column: &str) -> bool {
    Spi::connect_mut(|client| {
        require_setup(client);
        let (schema, table) = qualified(p_table);
        pg::as_registrar(|| doctor::withdraw(client, (&schema, &table), p_column))
    })
}

/// The parts of a name that may be quoted. Without a schema it would mean another table for every caller.
fn qualified(name: &str) -> (String, String) {
    let parts: Option<Vec<String>> = Spi::connect(|client| {
        let parts = client.select("SELECT parse_ident($1)", Some(1), &[name.into()]);
        parts.expect("parse_ident either reads a name or raises").first().get_one().ok().flatten()
    });
    match parts.as_deref() {
        Some([schema, table]) => (schema.clone(), table.clone()),
        _ => {
            let hint = "Write it like 'public.conversation_entries'.";
            raise(PgSqlErrorCode::ERRCODE_INVALID_NAME, format!("{name} names no schema and table"), hint)
        }
    }
}
