//! What the doctor finds.

use serde::{Deserialize, Serialize};

/// One row of `registrar.doctor()`: something that is wrong, or a check that found nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The name of the check.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, like `public.profiles`; `None` where the check found nothing, or where it is the database as a whole.
    pub object: Option<String>,
    /// What is the case, in a sentence.
    pub finding: String,
    /// What happens to whoever lives with it; may be `None` where the check found nothing.
    pub why: Option<String>,
    /// Complete statements that mend it, each to be run on its own and outside of a transaction block; `None` where only a person can
    /// decide, or where there is nothing to mend.
    pub fix_sql: Option<String>,
}

/// How bad a [`Finding`] is; the later one in the order is the worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The check found nothing.
    Ok,
    /// Worth knowing; nothing is wrong.
    Notice,
    /// Something will go wrong, or is protected less than it should be.
    Warning,
    /// Something is wrong now: sign-ups fail, data are lost or open to others.
    Error,
    /// A severity that this version does not know, taken for the worst: the other end is newer. Update to learn more.
    #[serde(other)]
    Unknown,
}

impl Severity {
    /// The severity as it stands in an answer, e.g. `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn severities_are_ordered_and_read_back_as_themselves() {
        use Severity::{Error, Notice, Ok, Unknown, Warning};
        let ordered = [Ok, Notice, Warning, Error, Unknown];
        assert!(ordered.is_sorted());
        for severity in ordered {
            assert_eq!(json!(severity), json!(severity.as_str()));
            assert_eq!(serde_json::from_value::<Severity>(json!(severity)).unwrap(), severity);
        }
        assert_eq!(serde_json::from_value::<Severity>(json!("fatal")).unwrap(), Unknown);
    }

    #[test]
    fn a_check_that_found_nothing_has_no_object() {
        let row = json!({"check": "orphans", "severity": "ok", "object": null, "finding": "No orphans.", "why": null,
                         "fix_sql": null, "later_column": 1});
        let finding: Finding = serde_json::from_value(row).unwrap();
        assert_eq!((finding.severity, finding.object, finding.fix_sql), (Severity::Ok, None, None));
    }
}
