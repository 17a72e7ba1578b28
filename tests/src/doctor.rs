//! Faults planted for the doctor, found, and mended by the statements that it names.

use crate::database::Database;

/// A row of `registrar.doctor()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check that found it.
    pub check: String,
    /// `ok`, `notice`, `warning` or `error`.
    pub severity: String,
    /// What it is about.
    pub object: Option<String>,
    /// What is wrong.
    pub finding: String,
    /// Why it matters.
    pub why: String,
    /// The statements that mend it.
    pub fix_sql: Option<String>,
}

impl Finding {
    /// What it is about: `check severity object`.
    pub fn brief(&self) -> String {
        format!("{} {} {}", self.check, self.severity, self.object.as_deref().unwrap_or("-"))
    }
}

impl Database {
    /// Every row of the doctor's answer.
    #[track_caller]
    pub fn examined(&self) -> Vec<Finding> {
        let mut admin = self.admin().unwrap_or_else(|error| panic!("{error:?}"));
        let rows = admin.query("SELECT * FROM registrar.doctor()", &[]).unwrap_or_else(|error| panic!("{error:?}"));
        let finding = |row: &::postgres::Row| Finding {
            check: row.get("check"),
            severity: row.get("severity"),
            object: row.get("object"),
            finding: row.get("finding"),
            why: row.get("why"),
            fix_sql: row.get("fix_sql"),
        };
        rows.iter().map(finding).collect()
    }

    /// What is wrong.
    #[track_caller]
    pub fn findings(&self) -> Vec<Finding> {
        self.examined().into_iter().filter(|finding| finding.severity != "ok").collect()
    }

    /// The same, briefly: a healthy database has none.
    #[track_caller]
    pub fn brief_findings(&self) -> Vec<String> {
        self.findings().iter().map(Finding::brief).collect()
    }

    /// Plants a fault in a database; the doctor must find just these, as [`Finding::brief`] tells them.
    #[track_caller]
    pub fn plant(&self, fault: &str, expected: &[&str]) {
        self.psql(fault).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(self.brief_findings(), expected, "{:#?}", self.findings());
    }

    /// Plants a fault, sees it found, runs the statements that the findings name, and sees nothing left.
    #[track_caller]
    pub fn plant_and_mend(&self, fault: &str, expected: &[&str]) {
        self.plant(fault, expected);
        self.mend();
        assert_eq!(self.brief_findings(), Vec::<String>::new(), "what is left after the fix");
    }

    /// Plants a fault that only a person can decide on, sees it found without a fix, mends it by hand, and sees it gone.
    #[track_caller]
    pub fn plant_and_decide(&self, fault: &str, expected: &[&str], decision: &str) {
        self.plant(fault, expected);
        for finding in self.findings() {
            assert_eq!(finding.fix_sql, None, "{finding:?}");
        }
        self.psql(decision).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(self.brief_findings(), Vec::<String>::new(), "what is left after the decision");
    }

    /// Runs every statement that the findings name, each in a transaction of its own, as `psql -f` does.
    #[track_caller]
    pub fn mend(&self) {
        let mut admin = self.admin().unwrap_or_else(|error| panic!("{error:?}"));
        for finding in self.findings() {
            let fix = finding.fix_sql.clone().unwrap_or_else(|| panic!("no fix of {finding:?}"));
            for statement in fix.split_inclusive(";\n") {
                admin.batch_execute(statement).unwrap_or_else(|error| panic!("{error:?} of {statement}"));
            }
        }
    }
}
