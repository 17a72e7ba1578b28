//! Rows of users that should not be there, or should look different: everything that one pass over the users tells.

use std::collections::HashSet;

use pgrx::pg_sys::OIDOID;
use pgrx::spi::{SpiClient, quote_literal};
use registrar_core::Severity;

use super::belonging::{self, Census};
use super::relations::Relation;
use super::{Check, Finding, Subjects, facts};
use crate::pg::PgError;
use crate::store::columns::Columns;

/// The columns in which Supabase Auth cannot read NULL.
const TOKENS: [&str; 8] = [
    "confirmation_token",
    "recovery_token",
    "email_change_token_new",
    "email_change",
    "email_change_token_current",
    "phone_change",
    "phone_change_token",
    "reauthentication_token",
];

// In the collation "C", lower() is ten times faster, and addresses with other letters are nobody's at Supabase Auth.
const NOT_LOWER_CASE: &str = "u.email COLLATE \"C\" <> lower(u.email COLLATE \"C\")";

/// As it stands in what is told to be run: a function of somebody else's may fit a varchar better.
const LOWER: &str = "pg_catalog.lower";

/// Tokens are told of a day after their end: until then a late click is answered with what to do.
const EXPIRED: &str = "used_at IS NULL AND expires_at < now() - interval '1 day'";

pub(super) fn find(client: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    let mut findings = Vec::new();
    if let Some(users) = subjects.users {
        let columns = columns_of_users(client, users)?;
        let (found, census) = of_users(client, &columns)?;
        findings.extend(found);
        findings.extend(of_relations(&subjects.relations, &census)?);
    }
    if subjects.is_set_up {
        findings.extend(of_registrar(client)?);
    }
    Ok(findings)
}

/// Rows that were counted, and what is to be said of them.
struct Count {
    check: Check,
    severity: Severity,
    object: String,
    /// What follows the number.
    finding: String,
    fix_sql: Option<String>,
}

impl Count {
    fn finding(self, number: u64) -> Option<Finding> {
        let Self { check, severity, object, finding, fix_sql } = self;
        (number > 0).then(|| Finding { check, severity, object, finding: format!("{number} {finding}"), fix_sql })
    }
}

fn columns_of_users(client: &SpiClient<'_>, users: pgrx::pg_sys::Oid) -> Result<Columns, PgError> {
    let query = "SELECT json_agg(attname)::text FROM pg_catalog.pg_attribute
                 WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped";
    facts::<HashSet<String>>(client, query, &[OIDOID], &[users.into()]).map(Columns::named)
}

/// The faults of users themselves, and how many users there are.
fn of_users(client: &SpiClient<'_>, columns: &Columns) -> Result<(Vec<Finding>, Census), PgError> {
    let (conditions, counts): (Vec<_>, Vec<_>) =
        [null_tokens(columns), null_instance(columns), not_lower_case(columns)].into_iter().flatten().unzip();
    let deleted = if columns.has("deleted_at") { "u.deleted_at IS NOT NULL" } else { "false" };
    let counted = conditions.iter().map(String::as_str).chain([deleted, "true"]);
    let numbers: Vec<_> = counted.map(|condition| format!("count(*) FILTER (WHERE {condition})")).collect();
    let query = format!("SELECT to_json(ARRAY[{}]::bigint[])::text FROM auth.users AS u", numbers.join(", "));
    let mut numbers: Vec<u64> = belonging::as_owner_of_users(|| facts(client, &query, &[], &[]))?;
    let total = numbers.pop().unwrap_or_default();
    let deleted = numbers.pop().unwrap_or_default();
    let mut findings: Vec<_> =
        counts.into_iter().zip(numbers).filter_map(|(count, number)| count.finding(number)).collect();
    if findings.iter().any(|finding| finding.check == Check::EmailNotLowerCase) {
        findings.extend(duplicates(client, columns)?);
    }
    Ok((findings, Census { total, deleted }))
}

fn null_tokens(columns: &Columns) -> Option<(String, Count)> {
    let present: Vec<_> = TOKENS.into_iter().filter(|column| columns.has(column)).collect();
    let set: Vec<_> = present.iter().map(|column| format!("{column} = coalesce({column}, '')")).collect();
    let any = |prefix: &str| {
        present.iter().map(|column| format!("{prefix}{column} IS NULL")).collect::<Vec<_>>().join(" OR ")
    };
    // Look-alikes of Supabase Auth, known by the column that they lack, leave NULL there themselves and can read it.
    let severity = if columns.has("instance_id") { Severity::Error } else { Severity::Notice };
    let count = Count {
        check: Check::NullTokens,
        severity,
        object: "auth.users".to_owned(),
        finding: format!("users have NULL in one of {}.", present.join(", ")),
        fix_sql: Some(format!("UPDATE auth.users SET {} WHERE {};", set.join(", "), any(""))),
    };
    (!present.is_empty()).then(|| (any("u."), count))
}

fn null_instance(columns: &Columns) -> Option<(String, Count)> {
    let zero = "00000000-0000-0000-0000-000000000000";
    let count = Count {
        check: Check::NullInstanceId,
        severity: Severity::Error,
        object: "auth.users.instance_id".to_owned(),
        finding: "users have NULL there.".to_owned(),
        fix_sql: Some(format!("UPDATE auth.users SET instance_id = '{zero}' WHERE instance_id IS NULL;")),
    };
    columns.has("instance_id").then(|| ("u.instance_id IS NULL".to_owned(), count))
}

/// Users of single sign-on have the address that their provider gives.
fn not_sso(columns: &Columns, alias: &str) -> String {
    if columns.has("is_sso_user") { format!(" AND NOT {alias}.is_sso_user") } else { String::new() }
}

fn not_lower_case(columns: &Columns) -> Option<(String, Count)> {
    let not_sso = not_sso(columns, "u");
    let fix = format!(
        "UPDATE auth.users AS u SET email = {LOWER}(u.email) WHERE u.email::text <> {LOWER}(u.email){not_sso}
    AND NOT EXISTS (SELECT FROM auth.users AS o WHERE o.id <> u.id AND {LOWER}(o.email) = {LOWER}(u.email));"
    );
    let count = Count {
        check: Check::EmailNotLowerCase,
        severity: Severity::Warning,
        object: "auth.users.email".to_owned(),
        finding: "addresses have capital letters.".to_owned(),
        fix_sql: Some(fix),
    };
    columns.has("email").then(|| (format!("{NOT_LOWER_CASE}{not_sso}"), count))
}

/// Of two addresses that differ in case one has a capital letter: only for those is another one looked for.
fn duplicates(client: &SpiClient<'_>, columns: &Columns) -> Result<Option<Finding>, PgError> {
    let query = format!(
        "SELECT to_json(count(DISTINCT lower(u.email)))::text FROM auth.users AS u
         JOIN auth.users AS o ON lower(o.email) = lower(u.email) AND o.id <> u.id
         WHERE {NOT_LOWER_CASE}{}{}",
        not_sso(columns, "u"),
        not_sso(columns, "o")
    );
    let to_see = format!(
        "SELECT {LOWER}(email), pg_catalog.array_agg(id) FROM auth.users GROUP BY 1 HAVING pg_catalog.count(*) > 1;"
    );
    let count = Count {
        check: Check::EmailDuplicates,
        severity: Severity::Error,
        object: "auth.users.email".to_owned(),
        finding: format!("addresses belong to several users and differ in case only. To see them: {to_see}"),
        fix_sql: None,
    };
    Ok(count.finding(belonging::as_owner_of_users(|| facts(client, &query, &[], &[]))?))
}

/// Profiles that are missing, and rows whose user is.
fn of_relations(relations: &[Relation], census: &Census) -> Result<Vec<Finding>, PgError> {
    let compared: Vec<_> = relations.iter().filter(|relation| relation.is_compared()).collect();
    let mut findings = Vec::new();
    for (relation, counted) in compared.iter().zip(belonging::compare(&compared, census)?) {
        findings.extend(orphans(relation, counted.orphans));
        if relation.is_profile_table() {
            findings.extend(without_profile(relation, counted.users_without));
        }
    }
    Ok(findings)
}

fn without_profile(profiles: &Relation, number: u64) -> Option<Finding> {
    let is_attached = profiles.is_attached();
    let name = quote_literal(format!("{}.{}", profiles.schema_name, profiles.table_name));
    let count = Count {
        check: Check::UsersWithoutProfile,
        severity: if is_attached { Severity::Warning } else { Severity::Notice },
        object: profiles.table(),
        finding: "users have no row in it.".to_owned(),
        fix_sql: is_attached.then(|| format!("CALL registrar.backfill_profiles(1000, {name});")),
    };
    count.finding(number)
}

fn orphans(relation: &Relation, number: u64) -> Option<Finding> {
    let (table, column) = (relation.table(), relation.column());
    let fix = if relation.is_kept_by_others() {
        format!("DELETE FROM {table} AS r WHERE NOT EXISTS (SELECT FROM auth.users AS u WHERE u.id = r.{column});")
    } else {
        // Into a table beside it, from where they can be brought back.
        format!(
            "SELECT registrar.verify_and_fix_constraint({}, {}, true, 'quarantine');",
            quote_literal(&table),
            quote_literal(&relation.column_name)
        )
    };
    let count = Count {
        check: Check::OrphanedRows,
        severity: relation.severity(),
        object: relation.object(),
        finding: "rows name users who do not exist.".to_owned(),
        fix_sql: Some(fix),
    };
    count.finding(number)
}

fn of_registrar(client: &SpiClient<'_>) -> Result<Vec<Finding>, PgError> {
    let counted = |from: &str| -> Result<u64, PgError> {
        facts(client, &format!("SELECT to_json(count(*))::text FROM registrar_private.{from}"), &[], &[])
    };
    let expired = Count {
        check: Check::ExpiredTokens,
        severity: Severity::Notice,
        object: "registrar_private.verification_tokens".to_owned(),
        finding: "tokens expired more than a day ago and were never used.".to_owned(),
        fix_sql: Some(format!("DELETE FROM registrar_private.verification_tokens WHERE {EXPIRED};")),
    };
    let failures = Count {
        check: Check::ProfileFailures,
        severity: Severity::Warning,
        object: "registrar_private.profile_failures".to_owned(),
        finding: "profiles failed and are not repaired; the table says why.".to_owned(),
        fix_sql: Some("SELECT registrar.repair_profiles();".to_owned()),
    };
    let expired = expired.finding(counted(&format!("verification_tokens WHERE {EXPIRED}"))?);
    Ok(expired.into_iter().chain(failures.finding(counted("profile_failures")?)).collect())
}
