//! The answer: how things stand, what was done or would be, and whether it works.

use registrar_core::FieldError;
use serde::Serialize;

use super::foreign_keys::ShownForeignKey;
use super::orphans::{Policy, Referring};
use super::plan::Step;
use super::probe::Tested;
use super::progress::Progress;
use super::quarantine::Quarantine;
use super::situation::Situation;

/// The `data` of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    table: String,
    column: String,
    column_type: String,
    /// The foreign keys that the column is part of, as they are now.
    constraints: Vec<ShownForeignKey>,
    /// Whether the right one is there and valid, and no wrong one.
    is_right: bool,
    orphans: ShownOrphans,
    index: ShownIndex,
    /// What was executed, or would be.
    statements: Vec<String>,
    /// The foreign keys that are no more.
    replaced: Vec<String>,
    /// For what reasons the statements would not be executed.
    obstacles: Vec<FieldError>,
    tested: Tested,
    #[serde(skip)]
    message: String,
}

#[derive(Debug, Serialize)]
struct ShownOrphans {
    /// `null` where they could not be counted, and `reason` says why.
    count: Option<u64>,
    reason: Option<String>,
    action: &'static str,
    /// Where they were moved to, or would be.
    quarantine_table: Option<String>,
    /// Rows of other tables that refer to them.
    referring: Vec<Referring>,
}

#[derive(Debug, Serialize)]
struct ShownIndex {
    name: Option<String>,
    created: bool,
    /// Where there is none: statements for a table that is too large to be locked while an index is built.
    concurrently: Vec<String>,
}

impl Report {
    /// A sentence for a person.
    pub(crate) fn message(&self) -> String {
        self.message.clone()
    }

    pub(super) fn of_look(
        situation: &Situation,
        progress: &Progress,
        steps: &[Step],
        obstacles: Vec<FieldError>,
    ) -> Self {
        let mut report = Self::of(situation, progress, Tested::not_tried("It is tried with p_fix only."));
        report.statements =
            steps.iter().flat_map(|step| &step.statements).map(|statement| statement.sql.clone()).collect();
        report.obstacles = obstacles;
        let is_settled = report.is_right && report.index.name.is_some();
        report.message = match (is_settled, report.orphans.count) {
            (_, Some(orphans @ 1..)) if situation.policy == Policy::Report => choose(situation, orphans),
            (true, Some(0)) => "The foreign key is right.".to_owned(),
            (true, None) => "The foreign key is right; orphans could not be counted.".to_owned(),
            _ if report.obstacles.is_empty() => "The statements would put it right.".to_owned(),
            _ => "The statements would put it right, and something is in their way: see obstacles.".to_owned(),
        };
        report
    }

    pub(super) fn of_fix(situation: &Situation, progress: &Progress, tested: Tested) -> Self {
        let mut report = Self::of(situation, progress, tested);
        report.message = match report.orphans.count {
            Some(orphans @ 1..) if report.orphans.action == "reported" => choose(situation, orphans),
            _ if report.tested.has_failed() => {
                "The foreign key is in place, and does not do its work: see tested.".to_owned()
            }
            _ if report.statements.is_empty() => "There was nothing to do.".to_owned(),
            _ => "The foreign key is in place.".to_owned(),
        };
        report
    }

    fn of(situation: &Situation, progress: &Progress, tested: Tested) -> Self {
        let table = &situation.table;
        let to_go = progress.orphans.count.is_some_and(|count| count > 0);
        let (count, action) = match (progress.gone, situation.policy) {
            (Some(gone), Policy::Quarantine) => (Some(gone), "quarantined"),
            (Some(gone), _) => (Some(gone), "deleted"),
            (None, _) => (progress.orphans.count, "reported"),
        };
        let quarantine = (situation.policy == Policy::Quarantine && to_go).then(|| Quarantine::of(situation).quoted);
        Self {
            table: table.quoted(),
            column: situation.column.clone(),
            column_type: situation.column_type.clone(),
            constraints: situation.keys.show(),
            is_right: situation.is_right(),
            orphans: ShownOrphans {
                count,
                reason: progress.orphans.reason.clone(),
                action,
                quarantine_table: quarantine,
                referring: progress.orphans.referring.clone(),
            },
            index: ShownIndex {
                name: situation.index.clone(),
                created: progress.index_is_created,
                concurrently: if situation.index.is_some() { Vec::new() } else { concurrently(situation) },
            },
            statements: progress.statements.clone(),
            replaced: progress.replaced.clone(),
            obstacles: Vec::new(),
            tested,
            message: String::new(),
        }
    }
}

/// A partitioned table takes no CONCURRENTLY; the index made for it afterwards takes those of its partitions for its parts.
fn concurrently(situation: &Situation) -> Vec<String> {
    let create = |table: String| format!("CREATE INDEX CONCURRENTLY ON {table} ({});", situation.quoted_column());
    if situation.table.is_partitioned() {
        situation.table.leaves.iter().map(|leaf| create(leaf.quoted())).collect()
    } else {
        vec![create(situation.table.quoted())]
    }
}

fn choose(situation: &Situation, orphans: u64) -> String {
    format!(
        "Rows of {} whose user does not exist: {orphans}. They keep the foreign key from being put in place. \
         Choose p_orphans => 'quarantine' to move them to a table beside it, or 'delete'.",
        situation.table.quoted()
    )
}
