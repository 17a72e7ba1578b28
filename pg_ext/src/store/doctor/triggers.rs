//! Triggers on auth.users, the app's own above all: what in them costs sign-ups.

use std::collections::HashMap;

use pgrx::pg_sys::OIDOID;
use pgrx::spi::{SpiClient, quote_identifier};
use registrar_core::{Severity, TriggerBody, WriteKind, WrittenTable};
use serde::Deserialize;

use super::written_tables::{self, Answer, Asked};
use super::{Check, Finding, Subjects, facts};
use crate::pg::PgError;

/// A trigger with its function.
#[derive(Debug, Deserialize)]
struct Trigger {
    name: String,
    enabled: char,
    /// With its arguments, qualified and quoted.
    function: String,
    function_schema: String,
    is_ours: bool,
    language: String,
    is_definer: bool,
    body: String,
    owner: String,
    is_owned_by_superuser: bool,
    /// Who inserts users besides registrar.
    signed_up_by: String,
    own_search_path: Option<String>,
    /// The search_path of whoever signs up.
    outer_search_path: String,
}

pub(super) fn find(client: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    let query = include_str!("../../../sql/doctor/triggers.sql");
    let triggers: Vec<Trigger> = facts(client, query, &[OIDOID], &[subjects.users.into()])?;
    let mut findings: Vec<Finding> = triggers.iter().filter_map(Trigger::disabled).collect();
    // A table that is filled by several triggers, each by name.
    let mut inserted: HashMap<u32, Vec<(&Trigger, String)>> = HashMap::new();
    let is_read = |trigger: &&Trigger| !trigger.is_ours && trigger.language == "plpgsql" && trigger.enabled != 'D';
    for trigger in triggers.iter().filter(is_read) {
        let body = TriggerBody::read(&trigger.body);
        let written = trigger.look_up(client, &body, subjects.is_set_up)?;
        findings.extend(trigger.faults(&body, &written));
        for (write, answers) in &written {
            let Answer { table_oid: Some(oid), quoted: Some(table), .. } = &answers[0] else { continue };
            if write.kind == WriteKind::Insert {
                inserted.entry(*oid).or_default().push((trigger, table.clone()));
            }
        }
    }
    let attached: Vec<u32> = subjects.attached().filter_map(|table| table.table_oid).collect();
    for (oid, writers) in inserted {
        let is_ours_too = subjects.is_set_up && attached.contains(&oid);
        findings.extend(duplicate_work(&writers, is_ours_too));
    }
    Ok(findings)
}

/// Each table that a function writes, with the answer for each role that it may be written as.
type Written<'b> = Vec<(&'b WrittenTable, Vec<Answer>)>;

impl Trigger {
    fn disabled(&self) -> Option<Finding> {
        let state = match self.enabled {
            'D' => "It is disabled.",
            'R' => "It fires on replicas only.",
            _ => return None,
        };
        let severity = if self.is_ours { Severity::Error } else { Severity::Warning };
        let fix = format!("ALTER TABLE auth.users ENABLE TRIGGER {};", quote_identifier(&self.name));
        Some(Finding {
            check: Check::TriggerDisabled,
            severity,
            object: self.object(),
            finding: state.to_owned(),
            fix_sql: Some(fix),
        })
    }

    fn object(&self) -> String {
        format!("trigger {} on auth.users", quote_identifier(&self.name))
    }

    fn fault(&self, check: Check, severity: Severity, finding: String, fix_sql: Option<String>) -> Finding {
        Finding { check, severity, object: self.object(), finding: format!("{} {finding}", self.function), fix_sql }
    }

    /// The schemas in which a name without one is looked for.
    fn search_path(&self) -> Vec<String> {
        let setting = self.own_search_path.as_ref().unwrap_or(&self.outer_search_path);
        let names = setting.split(',').map(|name| name.trim().trim_matches('"'));
        names.map(|name| if name == "$user" { self.signed_up_by.clone() } else { name.to_owned() }).collect()
    }

    /// With whose rights the function writes.
    fn roles(&self, is_set_up: bool) -> Vec<&str> {
        if self.is_definer {
            return vec![&self.owner];
        }
        if is_set_up { vec![&self.signed_up_by, "registrar_owner"] } else { vec![&self.signed_up_by] }
    }

    fn look_up<'b>(
        &self,
        client: &SpiClient<'_>,
        body: &'b TriggerBody,
        is_set_up: bool,
    ) -> Result<Written<'b>, PgError> {
        let (path, roles) = (self.search_path(), self.roles(is_set_up));
        let pairs = body.writes.iter().flat_map(|write| roles.iter().map(move |role| (write, role)));
        let asked: Vec<_> =
            pairs.enumerate().map(|(place, (write, role))| Asked::new(place, write, role, &path)).collect();
        let mut answers = written_tables::look_up(client, &asked)?.into_iter();
        Ok(body.writes.iter().map(|write| (write, answers.by_ref().take(roles.len()).collect())).collect())
    }

    fn faults(&self, body: &TriggerBody, written: &Written<'_>) -> Vec<Finding> {
        let mut faults = Vec::new();
        for (write, answers) in written {
            faults.extend(self.unreachable(write, &answers[0]).or_else(|| self.forbidden(write, answers)));
        }
        let is_lost = faults.iter().any(|fault| fault.check == Check::TriggerUnqualifiedNames);
        if self.own_search_path.is_none() && !is_lost {
            let fix = self.set_search_path(&quote_identifier(&self.function_schema));
            let finding = "sets no search_path and runs with that of whoever signs users up.".to_owned();
            faults.push(self.fault(Check::TriggerSearchPath, Severity::Warning, finding, Some(fix)));
        }
        if self.is_definer && self.is_owned_by_superuser {
            faults.push(self.owned_by_superuser(written));
        }
        if !body.writes.is_empty() && !body.catches_errors {
            let finding = "catches no error. Let registrar fill the table in its place: SELECT registrar.attach_profile_table(…).";
            faults.push(self.fault(Check::TriggerUnguarded, Severity::Warning, finding.to_owned(), None));
        }
        faults
    }

    /// A name that leads nowhere, or only where another search_path leads.
    fn unreachable(&self, write: &WrittenTable, answer: &Answer) -> Option<Finding> {
        if answer.is_reached == Some(true) {
            return None;
        }
        let name = match &write.schema {
            Some(schema) => format!("{schema}.{}", write.table),
            None => write.table.clone(),
        };
        let Some(schemas) = answer.schemas.as_ref().filter(|_| write.schema.is_none()) else {
            let finding = format!("writes {name}, and there is no such table.");
            return Some(self.fault(Check::TriggerTargetMissing, Severity::Error, finding, None));
        };
        let fix = match &schemas[..] {
            [schema] => Some(self.set_search_path(schema)),
            _ => None,
        };
        let finding =
            format!("writes {name} without a schema; it is in {}, outside the search_path.", schemas.join(" and "));
        Some(self.fault(Check::TriggerUnqualifiedNames, Severity::Error, finding, fix))
    }

    fn forbidden(&self, write: &WrittenTable, answers: &[Answer]) -> Option<Finding> {
        let answer = answers.iter().find(|answer| !answer.is_allowed())?;
        let (table, schema) = (answer.quoted.as_deref()?, answer.schema.as_deref()?);
        let privilege = write.kind.privilege();
        if self.is_definer {
            let owner = quote_identifier(&self.owner);
            let finding = format!("runs as its owner {owner}, who has no right to {privilege} on {table}.");
            let fix = format!("GRANT USAGE ON SCHEMA {schema} TO {owner};\nGRANT {privilege} ON {table} TO {owner};");
            return Some(self.fault(Check::TriggerOwnerRights, Severity::Error, finding, Some(fix)));
        }
        let finding =
            format!("runs with the rights of whoever signs users up, who has none to {privilege} on {table}.");
        let fix = format!("ALTER FUNCTION {} SECURITY DEFINER;\n{}", self.function, self.set_search_path(schema));
        Some(self.fault(Check::TriggerInvokerRights, Severity::Error, finding, Some(fix)))
    }

    fn set_search_path(&self, schema: &str) -> String {
        format!("ALTER FUNCTION {} SET search_path = pg_catalog, {schema}, pg_temp;", self.function)
    }

    fn owned_by_superuser(&self, written: &Written<'_>) -> Finding {
        let owner =
            |answer: &Answer| (answer.is_owned_by_superuser == Some(false)).then(|| answer.owner.clone()).flatten();
        let owner = written.first().and_then(|(_, answers)| owner(&answers[0]));
        let fix = owner.map(|owner| format!("ALTER FUNCTION {} OWNER TO {};", self.function, quote_identifier(owner)));
        let finding = format!("runs with the rights of {}, a superuser.", quote_identifier(&self.owner));
        self.fault(Check::TriggerOwnerSuperuser, Severity::Notice, finding, fix)
    }
}

fn duplicate_work(writers: &[(&Trigger, String)], is_ours_too: bool) -> Vec<Finding> {
    let finding = |trigger: &Trigger, finding: String, fix: Option<String>| {
        trigger.fault(Check::TriggerDuplicateWork, Severity::Warning, finding, fix)
    };
    if is_ours_too {
        let each = writers.iter().map(|(trigger, table)| {
            let fix = format!("DROP TRIGGER {} ON auth.users;", quote_identifier(&trigger.name));
            finding(trigger, format!("fills {table}, which registrar fills too."), Some(fix))
        });
        return each.collect();
    }
    let others = writers.iter().skip(1).map(|(trigger, table)| {
        let first = quote_identifier(&writers[0].0.name);
        finding(trigger, format!("fills {table}, which the trigger {first} fills too."), None)
    });
    others.collect()
}
