//! What was done so far, from step to step.

use registrar_core::FieldError;
use serde::{Deserialize, Serialize};

use super::orphans::Orphans;
use super::plan::{Kind, Step};
use super::situation::Situation;
use super::{NotDone, Report, internal};

/// What the steps so far have found and done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// As they were found before the first step.
    pub(super) orphans: Orphans,
    /// How many of them were removed, once they were.
    pub(super) gone: Option<u64>,
    pub(super) index_is_created: bool,
    /// The foreign keys that are no more, as `table: name definition`.
    pub(super) replaced: Vec<String>,
    /// Every statement that was executed.
    pub(super) statements: Vec<String>,
}

/// Whether there is another step.
pub(crate) enum Steps {
    Left(Progress),
    Done(Box<Report>),
}

impl Progress {
    pub(super) fn begin(situation: &Situation) -> Result<Self, NotDone> {
        Ok(Self {
            orphans: Orphans::find(situation)?,
            gone: None,
            index_is_created: false,
            replaced: Vec::new(),
            statements: Vec::new(),
        })
    }

    /// # Errors
    /// Where the step was taken before: somebody undoes what is done.
    pub(super) fn check_advance(&self, step: &Step) -> Result<(), NotDone> {
        let is_done = |statement: &str| self.statements.iter().any(|done| done == statement);
        match step.statements.iter().find(|statement| is_done(&statement.sql)) {
            Some(statement) => {
                let message = "Somebody else changes the table at the same time.";
                Err(internal(message, format!("This was done and is undone: {}. Call again.", statement.sql)).into())
            }
            None => Ok(()),
        }
    }

    pub(super) fn record(&mut self, step: &Step, rows: u64) {
        self.statements.extend(step.statements.iter().map(|statement| statement.sql.clone()));
        self.replaced.extend(step.replaces.iter().cloned());
        match step.kind {
            Kind::Index => self.index_is_created = true,
            Kind::RemoveOrphans => self.gone = Some(rows),
            Kind::Constraint | Kind::Quarantine | Kind::Validation => {}
        }
    }

    /// Adds to an error what was done before it and stays.
    pub(super) fn tell_what_stays(&self, error: &mut FieldError) {
        if self.statements.is_empty() {
            return;
        }
        let before = error.hint.take().map(|hint| format!("{hint} ")).unwrap_or_default();
        let hint = format!("{before}Done before, and still so: {}; call again to go on.", self.statements.join("; "));
        error.hint = Some(hint.into());
    }
}
