//! Whether `setup()` has made everything, and what it made is still there.

use pgrx::pg_sys::{OIDOID, TEXTARRAYOID};
use pgrx::spi::SpiClient;
use registrar_core::Severity;

use super::{Check, Finding, Subjects, facts};
use crate::pg::PgError;
use crate::store::storage;

const SETUP: &str = "SELECT registrar.setup();";

const MISSING_MIGRATIONS: &str = "
    SELECT coalesce(json_agg(wanted.name), '[]')::text FROM unnest($1) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM registrar_private.migrations AS m WHERE m.name = wanted.name)";

const MISSING_TRIGGERS: &str = "
    SELECT coalesce(json_agg(wanted.name), '[]')::text
    FROM (VALUES ('registrar_handle_new_user', 'handle_new_user'), ('registrar_handle_user_update', 'handle_user_update'))
        AS wanted (name, function)
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = $1 AND t.tgname = wanted.name
            AND p.pronamespace = to_regnamespace('registrar') AND p.proname = wanted.function
    )";

pub(super) fn find(client: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    if !subjects.is_set_up {
        // Whoever tries the doctor on a database of another's making has not asked for registrar.
        return Ok(vec![Finding {
            check: Check::SetUp,
            severity: Severity::Notice,
            object: "registrar".to_owned(),
            finding: "registrar.setup() was never run in this database.".to_owned(),
            fix_sql: Some(SETUP.to_owned()),
        }]);
    }
    let mut findings = Vec::new();
    let wanted: Vec<String> = storage::migrations().map(str::to_owned).collect();
    let missing: Vec<String> = facts(client, MISSING_MIGRATIONS, &[TEXTARRAYOID], &[wanted.into()])?;
    if !missing.is_empty() {
        findings.push(error(
            Check::SetUp,
            "registrar_private".to_owned(),
            format!("Its tables are of an older version: {} was never applied.", missing.join(", ")),
        ));
    }
    if subjects.users.is_none() {
        findings.push(error(Check::SetUp, "auth.users".to_owned(), "There is no such table.".to_owned()));
        return Ok(findings);
    }
    for trigger in facts::<Vec<String>>(client, MISSING_TRIGGERS, &[OIDOID], &[subjects.users.into()])? {
        let object = format!("trigger {trigger} on auth.users");
        findings.push(error(Check::TriggerMissing, object, "There is no such trigger of registrar's.".to_owned()));
    }
    Ok(findings)
}

fn error(check: Check, object: String, finding: String) -> Finding {
    Finding { check, severity: Severity::Error, object, finding, fix_sql: Some(SETUP.to_owned()) }
}
