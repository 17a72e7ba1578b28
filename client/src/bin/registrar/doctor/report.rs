//! What was found, for people and for programs.

use std::collections::BTreeMap;

use console::style;
use registrar_client::{Envelope, Finding, Severity};
use serde_json::{Value, json};

use super::mending::{Mended, shown};
use crate::failure::Failure;
use crate::output::{self, Format, printable};
use crate::severity_table::{SeverityTable, width};
use crate::statements::split;

const UNHEALTHY: u8 = 10;
const TO_FIX: &str = "Run registrar doctor --fix, which shows each statement and asks before it is run.";
const TO_READ: &str = "docs/troubleshooting.md tells of each finding what to do.";

/// Prints the findings; those of severity error, and statements that failed, make it a failure.
pub(super) fn print(
    format: Format,
    findings: &[Finding],
    all: bool,
    mended: Option<Vec<Mended>>,
) -> Result<(), Failure> {
    let (summary, data) = (summary(findings), data(findings, mended.as_deref()));
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity >= Severity::Error).map(detail).collect();
    let failed: Vec<_> = mended.iter().flatten().filter_map(Mended::failure).collect();
    if format == Format::Table {
        output::write(&text(findings, all, width()))?;
        output::write(&format!("{summary}\n"))?;
    }
    // Who has just been asked need not be sent there again.
    let hint =
        if mended.is_none() && findings.iter().any(|finding| finding.fix_sql.is_some()) { TO_FIX } else { TO_READ };
    let failure = |exit_code, message, details| {
        Err(Failure::Examination { exit_code, message, hint: hint.to_owned(), details, data: data.clone() })
    };
    match (errors.len(), failed.len(), format) {
        (0, 0, Format::Json) => output::print_json(&Envelope::success(summary, data)),
        (0, 0, Format::Table) => Ok(()),
        (0, 1, _) => failure(1, "A finding could not be mended.".to_owned(), failed),
        (0, several, _) => failure(1, format!("{several} findings could not be mended."), failed),
        (1, ..) => failure(UNHEALTHY, "There is one finding of severity error.".to_owned(), errors),
        (several, ..) => failure(UNHEALTHY, format!("There are {several} findings of severity error."), errors),
    }
}

fn data(findings: &[Finding], mended: Option<&[Mended]>) -> Value {
    let mut data = json!({"findings": findings, "counts": counts(findings)});
    if let Some(mended) = mended {
        data["mended"] = json!(mended);
    }
    data
}

fn detail(finding: &Finding) -> Value {
    json!({"field": finding.object, "code": finding.check, "message": finding.finding, "hint": finding.fix_sql})
}

fn counts(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let known = [Severity::Ok, Severity::Notice, Severity::Warning, Severity::Error];
    let mut counts: BTreeMap<_, _> = known.map(|severity| (severity.as_str(), 0)).into();
    for finding in findings {
        *counts.entry(finding.severity.as_str()).or_default() += 1;
    }
    counts
}

fn summary(findings: &[Finding]) -> String {
    let mut parts = Vec::new();
    for (severity, one, several) in [
        (Severity::Unknown, "finding of unknown severity", "findings of unknown severity"),
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Notice, "notice", "notices"),
    ] {
        match findings.iter().filter(|finding| finding.severity == severity).count() {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {several}")),
        }
    }
    let healthy = findings.iter().filter(|finding| finding.severity == Severity::Ok).count();
    match parts.is_empty() {
        true => format!("Nothing is wrong; checks made: {healthy}."),
        false => format!("{}; checks that found nothing: {healthy}.", parts.join(", ")),
    }
}

/// A table of the findings, the worst first, and under it why each matters and what mends it. Lines are broken where they are
/// seen, and nowhere else.
fn text(findings: &[Finding], all: bool, width: Option<u16>) -> String {
    let mut shown: Vec<_> = findings.iter().filter(|finding| all || finding.severity > Severity::Ok).collect();
    if shown.is_empty() {
        return String::new();
    }
    shown.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut table = SeverityTable::new(["severity", "check", "object", "finding"], width);
    for finding in &shown {
        let object = finding.object.as_deref().unwrap_or_default();
        table.add(finding.severity, [&finding.check, object, &finding.finding]);
    }
    let mut text = table.to_string();
    for finding in shown.into_iter().filter(|finding| finding.severity > Severity::Ok) {
        text.push_str(&remedy(finding));
    }
    text.push('\n');
    text
}

fn remedy(finding: &Finding) -> String {
    let mut text = format!("\n{}\n", style(heading(finding)).bold());
    if let Some(why) = &finding.why {
        text.push_str(&format!("  {}\n", printable(why)));
    }
    match &finding.fix_sql {
        None => text.push_str("  No statement can decide this; docs/troubleshooting.md tells what to do.\n"),
        Some(fix) => {
            for line in split(fix).into_iter().flat_map(shown) {
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    text
}

/// What is wrong with what, in one line.
pub(super) fn heading(finding: &Finding) -> String {
    let object = finding.object.as_ref().map_or(String::new(), |object| format!(" {}", printable(object)));
    format!("{} {}{object}", finding.severity, printable(&finding.check))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &str, severity: Severity, fix_sql: Option<&str>) -> Finding {
        let is_fault = severity > Severity::Ok;
        Finding {
            check: check.into(),
            severity,
            object: is_fault.then(|| "public.profiles".into()),
            finding: if is_fault { "Something is wrong.".into() } else { "Nothing was found.".into() },
            why: is_fault.then(|| "It costs sign-ups.".into()),
            fix_sql: fix_sql.map(str::to_owned),
        }
    }

    fn findings() -> Vec<Finding> {
        vec![
            finding("orphans", Severity::Ok, None),
            finding("index", Severity::Notice, None),
            finding("key", Severity::Error, Some("ALTER TABLE a;\nVALIDATE b;")),
        ]
    }

    #[test]
    fn the_worst_comes_first_and_what_is_healthy_is_counted() {
        let expected = "\
┌──────────┬───────┬─────────────────┬─────────────────────┐
│ severity ┆ check ┆ object          ┆ finding             │
╞══════════╪═══════╪═════════════════╪═════════════════════╡
│ error    ┆ key   ┆ public.profiles ┆ Something is wrong. │
│ notice   ┆ index ┆ public.profiles ┆ Something is wrong. │
└──────────┴───────┴─────────────────┴─────────────────────┘

error key public.profiles
  It costs sign-ups.
    ALTER TABLE a;
    VALIDATE b;

notice index public.profiles
  It costs sign-ups.
  No statement can decide this; docs/troubleshooting.md tells what to do.

";
        assert_eq!(text(&findings(), false, None), expected);
        assert_eq!(summary(&findings()), "1 error, 1 notice; checks that found nothing: 1.");
        assert!(text(&findings(), true, None).contains("│ ok       ┆ orphans"));
        assert!(text(&findings()[..1], false, None).is_empty());
        assert_eq!(summary(&findings()[..1]), "Nothing is wrong; checks made: 1.");
    }

    #[test]
    fn a_finding_cannot_steer_the_terminal() {
        let mut findings = findings();
        for finding in &mut findings {
            (finding.object, finding.why) = (Some("\u{1b}[2J".into()), Some("\u{1b}[2J".into()));
            (finding.finding, finding.fix_sql) = ("\u{1b}[2J".into(), Some("\u{1b}[2J".into()));
        }
        assert!(!text(&findings, true, None).contains('\u{1b}'));
    }

    #[test]
    fn errors_are_10_and_statements_that_failed_are_1() {
        let code =
            |findings: &[Finding]| print(Format::Json, findings, false, None).err().map(|failure| failure.exit_code());
        assert_eq!(code(&findings()), Some(10));
        assert_eq!(code(&[finding("later", Severity::Unknown, None)]), Some(10));
        let Err(Failure::Examination { details, data, .. }) = print(Format::Json, &findings(), false, None) else {
            panic!()
        };
        assert_eq!((details.len(), &details[0]["code"], &data["counts"]["ok"]), (1, &json!("key"), &json!(1)));
        assert_eq!(data["findings"].as_array().map(Vec::len), Some(3));
    }
}
