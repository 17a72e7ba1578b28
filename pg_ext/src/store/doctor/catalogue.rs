//! The checks that a query of the catalogue decides: security, and the server with its roles and settings.

use pgrx::pg_sys::{JSONBOID, OIDOID, Oid, TEXTARRAYOID, TEXTOID};
use pgrx::spi::SpiClient;
use registrar_core::Severity;
use serde::Deserialize;

use super::declared::Origin;
use super::{Check, Finding, Subjects, facts, find_table, json, system_schemas};
use crate::pg::PgError;
use crate::store::public_access::PublicAccess;

/// A finding as a query makes it.
#[derive(Deserialize)]
struct Row {
    check_name: String,
    severity: Severity,
    object: String,
    finding: String,
    fix_sql: Option<String>,
}

/// A row of `registrar_private.public_access`.
#[derive(Deserialize)]
struct Allowed {
    sender: Option<String>,
}

pub(super) fn find_of_security(client: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    let attached: Vec<_> = subjects.named.iter().filter(|named| named.origin == Origin::Attached).collect();
    let query = include_str!("../../../sql/doctor/security.sql");
    let types = [JSONBOID, TEXTARRAYOID, OIDOID, TEXTARRAYOID];
    let public = public_access(client)?.functions();
    found(client, query, &types, &[json(&attached), system_schemas(), subjects.users.into(), public.into()])
}

/// What the owner has said that visitors may do.
fn public_access(client: &SpiClient<'_>) -> Result<PublicAccess, PgError> {
    if find_table(client, "registrar_private", "public_access")?.is_none() {
        return Ok(PublicAccess::Nothing);
    }
    let query =
        "SELECT json_agg(json_build_object('sender', p.sender_name))::text FROM registrar_private.public_access AS p";
    let rows: Option<Vec<Allowed>> = facts(client, query, &[], &[])?;
    let allowed = rows.and_then(|rows| rows.into_iter().next());
    Ok(allowed.map_or(PublicAccess::Nothing, |Allowed { sender }| PublicAccess::SignIn { sender }))
}

pub(super) fn find_of_server(client: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    let query = include_str!("../../../sql/doctor/server.sql");
    let arguments = [env!("CARGO_PKG_VERSION").into(), subjects.users.into()];
    let mut findings = found(client, query, &[TEXTOID, OIDOID], &arguments)?;
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        findings.push(Finding {
            check: Check::RustBacktrace,
            severity: Severity::Warning,
            object: "environment of the server".to_owned(),
            finding: "RUST_BACKTRACE is set. Unset it where the server is started, and restart.".to_owned(),
            fix_sql: None,
        });
    }
    Ok(findings)
}

fn found(
    client: &SpiClient<'_>,
    query: &str,
    types: &[Oid],
    arguments: &[pgrx::datum::DatumWithOid<'_>],
) -> Result<Vec<Finding>, PgError> {
    let rows: Vec<Row> = facts(client, query, types, arguments)?;
    let finding = |row: Row| Finding {
        check: Check::named(&row.check_name).unwrap_or_else(|| panic!("{} is no check", row.check_name)),
        severity: row.severity,
        object: row.object,
        finding: row.finding,
        fix_sql: row.fix_sql,
    };
    Ok(rows.into_iter().map(finding).collect())
}
