//! Running what mends the findings.

use std::io::{Write, stderr, stdin};
use std::time::{Duration, Instant};

use registrar_client::Finding;
use serde::Serialize;
use serde_json::{Value, json};

use super::asking::{Answer, ask};
use super::faults;
use super::report::heading;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::printable;
use crate::statements::split;

/// The longest that a statement may wait for a table that somebody else holds: everybody behind it waits as long.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Who says yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    ToAll,
    Asked,
}

/// What became of one finding's statements.
#[derive(Debug, Serialize)]
pub(super) struct Mended {
    check: String,
    object: Option<String>,
    /// Those that were run to their end.
    statements_run: Vec<String>,
    /// Why the next one was not.
    error: Option<String>,
}

impl Mended {
    /// The failure as an entry of `errors`, where there was one.
    pub(super) fn failure(&self) -> Option<Value> {
        let message = self.error.as_ref()?;
        Some(json!({"field": self.object, "code": self.check, "message": message, "hint": null}))
    }
}

/// Runs the statements of each finding that has some, those that are agreed to. One that fails ends its finding's and no other's.
pub(super) async fn mend(
    database: &Database,
    findings: &[Finding],
    consent: Consent,
    timeout: Duration,
) -> Result<Vec<Mended>, Failure> {
    let wait = timeout.min(LONGEST_WAIT);
    let mendable: Vec<_> =
        faults(findings).filter_map(|finding| Some((finding, finding.fix_sql.as_deref()?))).collect();
    let (mut consent, mut mended) = (consent, Vec::new());
    for (number, &(finding, fix)) in mendable.iter().enumerate() {
        let statements = split(fix);
        say(&description(finding, &statements, (number + 1, mendable.len())));
        if consent == Consent::Asked {
            match ask("Run it?", stdin().lock(), stderr())? {
                Answer::Yes => {}
                Answer::All => consent = Consent::ToAll,
                Answer::No => continue,
                Answer::Quit => break,
            }
        }
        mended.push(run(database, finding, &statements, wait).await);
    }
    Ok(mended)
}

fn description(finding: &Finding, statements: &[&str], (number, of): (usize, usize)) -> String {
    let mut text = format!("\n{number} of {of}: {}\n", heading(finding));
    for line in [Some(&finding.finding), finding.why.as_ref()].into_iter().flatten() {
        text.push_str(&format!("  {}\n", printable(line)));
    }
    text.push('\n');
    for line in statements.iter().flat_map(|statement| shown(statement)) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// A statement as it is run, indented, with its semicolon.
pub(super) fn shown(statement: &str) -> Vec<String> {
    let mut lines: Vec<_> = statement.lines().map(|line| format!("    {}", printable(line))).collect();
    if let Some(last) = lines.last_mut() {
        last.push(';');
    }
    lines
}

/// Each statement is a transaction of its own: some can be run in no other way.
async fn run(database: &Database, finding: &Finding, statements: &[&str], wait: Duration) -> Mended {
    let (check, object) = (finding.check.clone(), finding.object.clone());
    let mut mended = Mended { check, object, statements_run: Vec::new(), error: None };
    for statement in statements {
        let start = Instant::now();
        match run_one(database, statement, wait).await {
            Ok(()) => {
                mended.statements_run.push((*statement).to_owned());
                say(&format!("  done in {:.0} ms\n", start.elapsed().as_secs_f64() * 1000.0));
            }
            Err(failure) => {
                mended.error = Some(failure.message());
                say(&failure.text());
                break;
            }
        }
    }
    mended
}

async fn run_one(database: &Database, statement: &str, wait: Duration) -> Result<(), Failure> {
    // To wait for every older transaction is what CONCURRENTLY means; given up, it would leave an invalid index.
    let limit = if statement.to_ascii_uppercase().contains("CONCURRENTLY") { 0 } else { wait.as_millis() };
    database.run("The wait for locks cannot be limited", &format!("SET lock_timeout = {limit}")).await?;
    database.run("The statement failed", statement).await
}

/// On stderr, as every question: stdout is for the report. That stderr is closed changes nothing.
fn say(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use registrar_client::Severity;

    #[test]
    fn a_finding_is_shown_with_every_statement_as_it_is_run() {
        let finding = Finding {
            check: "foreign_key_missing".into(),
            severity: Severity::Error,
            object: Some("public.profiles.user_id".into()),
            finding: "There is no foreign key.\u{1b}[2J".into(),
            why: Some("Rows stay behind.".into()),
            fix_sql: None,
        };
        let text = description(&finding, &["ALTER TABLE a\n  ADD b", "VALIDATE"], (2, 3));
        let expected = "\n2 of 3: error foreign_key_missing public.profiles.user_id\n  There is no foreign key.\\u{1b}[2J\n  \
                        Rows stay behind.\n\n    ALTER TABLE a\n      ADD b;\n    VALIDATE;\n";
        assert_eq!(text, expected);
    }
}
