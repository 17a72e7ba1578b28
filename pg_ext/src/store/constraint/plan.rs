//! The steps from how things stand to how they should, each of which can be committed by itself.

use pgrx::pg_sys::Oid;
use pgrx::spi::quote_identifier;

use super::foreign_keys::{self, ForeignKey};
use super::orphans::{Policy, condition};
use super::progress::Progress;
use super::quarantine::Quarantine;
use super::situation::Situation;
use crate::pg::LockMode;

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Index,
    /// A foreign key is added, dropped, or replaced.
    Constraint,
    Quarantine,
    RemoveOrphans,
    Validation,
}

/// Statements that belong together.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) statements: Vec<Statement>,
    /// What they lock, in the order in which it is to be locked.
    pub(super) locks: Vec<Lock>,
    /// The foreign keys that are dropped.
    pub(super) replaces: Vec<String>,
}

/// A statement, and with whose rights it runs.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) rights: RunsAs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunsAs {
    /// Whoever may change the table: the statement runs no code of its owner's.
    Actor,
    /// The table's owner: its triggers may be set off.
    Owner,
}

#[derive(Debug, Clone)]
pub(super) struct Lock {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) mode: LockMode,
}

impl Statement {
    pub(super) fn of_actor(sql: String) -> Self {
        Self { sql, rights: RunsAs::Actor }
    }

    fn of_owner(sql: String) -> Self {
        Self { sql, rights: RunsAs::Owner }
    }
}

/// A table that a foreign key stands on: the table itself, or one of its partitions.
struct Carrier<'s> {
    oid: Oid,
    schema: &'s str,
    name: &'s str,
    quoted: String,
}

impl Carrier<'_> {
    fn lock(&self, mode: LockMode) -> Lock {
        Lock { schema: self.schema.to_owned(), name: self.name.to_owned(), mode }
    }
}

/// What is left to be done, in order: the index first, which takes longest and changes nothing for the app; the foreign key, unchecked,
/// so that no more orphans come in; the orphans; the check of what was there before.
///
/// A partitioned table takes no unchecked foreign key before PostgreSQL 18. Its partitions do, and once theirs are valid, the
/// table's own takes them for its parts without looking at a row.
pub(super) fn steps(situation: &Situation, progress: &Progress) -> Vec<Step> {
    let table = &situation.table;
    let root = Carrier { oid: table.oid(), schema: &table.schema, name: &table.name, quoted: table.quoted() };
    let mut steps = Vec::new();
    if situation.index.is_none() {
        let create = format!("CREATE INDEX ON {} ({})", root.quoted, situation.quoted_column());
        steps.push(step(Kind::Index, vec![Statement::of_actor(create)], vec![root.lock(LockMode::Index)]));
    }
    let orphans = progress.orphans.count.unwrap_or_default();
    // The foreign key would refuse what the app does now, or what somebody is about to mend: a person chooses first.
    if orphans > 0 && situation.policy == Policy::Report {
        return steps;
    }
    let mut checks = Vec::new();
    if !table.is_partitioned() || situation.keys.right(root.oid).is_some() {
        put_in_place(situation, &root, &mut steps, &mut checks);
    } else {
        for leaf in &table.leaves {
            let leaf = Carrier { oid: leaf.oid(), schema: &leaf.schema, name: &leaf.name, quoted: leaf.quoted() };
            put_in_place(situation, &leaf, &mut steps, &mut checks);
        }
        let wrong = situation.keys.wrong(root.oid);
        checks.push(constraint(situation, &root, &wrong, Some("")).0);
    }
    if orphans > 0 && progress.gone.is_none() {
        remove_orphans(situation, &root, &mut steps);
    }
    steps.extend(checks);
    steps
}

/// Adds to `steps` what gives a table the right foreign key, and to `checks` what validates it.
fn put_in_place(situation: &Situation, carrier: &Carrier<'_>, steps: &mut Vec<Step>, checks: &mut Vec<Step>) {
    let wrong = situation.keys.wrong(carrier.oid);
    let present = situation.keys.right(carrier.oid);
    let name = match present {
        None => {
            let (step, name) = constraint(situation, carrier, &wrong, Some(" NOT VALID"));
            steps.push(step);
            name
        }
        Some(key) => {
            if !wrong.is_empty() {
                steps.push(constraint(situation, carrier, &wrong, None).0);
            }
            key.name.clone()
        }
    };
    if !present.is_some_and(|key| key.is_valid) {
        let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", carrier.quoted, quote_identifier(&name));
        let locks = vec![carrier.lock(LockMode::Validate)];
        checks.push(step(Kind::Validation, vec![Statement::of_actor(validate)], locks));
    }
}

/// Drops the wrong foreign keys and, where it is asked for, adds the right one, under the name of the first that it replaces; and that
/// name. In one statement, so that there is no moment without any.
fn constraint(
    situation: &Situation,
    carrier: &Carrier<'_>,
    wrong: &[&ForeignKey],
    added: Option<&str>,
) -> (Step, String) {
    let free = || foreign_keys::free_name(carrier.oid, carrier.name, &situation.column);
    let name = wrong.first().map_or_else(free, |key| key.name.clone());
    let mut changes: Vec<_> =
        wrong.iter().map(|key| format!("DROP CONSTRAINT {}", quote_identifier(&key.name))).collect();
    if let Some(validity) = added {
        changes.push(foreign_keys::add(&name, &situation.column, &deferral(situation)) + validity);
    }
    let alter = Statement::of_actor(format!("ALTER TABLE {} {}", carrier.quoted, changes.join(", ")));

    let drops_users = wrong.iter().any(|key| key.is_to_users());
    let mode = |drops: bool| if drops { LockMode::DropForeignKey } else { LockMode::AddForeignKey };
    // As a sign-up locks them: the users, then what its triggers write.
    let mut locks = vec![Lock { schema: "auth".to_owned(), name: "users".to_owned(), mode: mode(drops_users) }];
    let elsewhere = wrong.iter().filter(|key| !key.is_to_users()).map(|key| Lock {
        schema: key.referenced_schema.clone(),
        name: key.referenced_table.clone(),
        mode: LockMode::DropForeignKey,
    });
    locks.extend(elsewhere);
    if carrier.oid != situation.table.oid() {
        // And a partitioned table before its partitions.
        let (schema, name) = (situation.table.schema.clone(), situation.table.name.clone());
        locks.push(Lock { schema, name, mode: LockMode::Read });
    }
    locks.push(carrier.lock(mode(!wrong.is_empty())));

    let replaces = wrong.iter().map(|key| format!("{}: {} {}", key.table, key.name, key.definition)).collect();
    (Step { replaces, ..step(Kind::Constraint, vec![alter], locks) }, name)
}

/// When the right foreign key is checked: as the wrong one was. A partition's is only taken for a part of its table's where they agree.
fn deferral(situation: &Situation) -> String {
    situation.keys.wrong(situation.table.oid()).first().map(|key| key.deferral.clone()).unwrap_or_default()
}

fn remove_orphans(situation: &Situation, root: &Carrier<'_>, steps: &mut Vec<Step>) {
    let rows = situation.table.rows();
    let quarantine = (situation.policy == Policy::Quarantine).then(|| Quarantine::of(situation));
    if let Some(preparation) = quarantine.as_ref().and_then(Quarantine::preparation) {
        steps.push(step(Kind::Quarantine, preparation, Vec::new()));
    }
    let remove = |which: &str| {
        let delete = format!("DELETE FROM {rows} AS t WHERE {which}");
        quarantine.as_ref().map_or_else(|| delete.clone(), |quarantine| quarantine.moving(&delete))
    };
    let statements = if situation.reads_users(situation.table.owner()) {
        vec![Statement::of_owner(remove(&condition(situation, "t")))]
    } else {
        // One reads the users, the other's triggers are set off: two statements.
        let column = situation.quoted_column();
        let find = format!(
            "SELECT coalesce(array_agg(DISTINCT t.{column}::uuid), '{{}}') FROM {rows} AS t WHERE {}",
            condition(situation, "t")
        );
        let remove = remove(&format!("t.{column} = ANY ($1::uuid[])"));
        vec![Statement::of_actor(find), Statement::of_owner(remove)]
    };
    steps.push(step(Kind::RemoveOrphans, statements, vec![root.lock(LockMode::Write)]));
}

fn step(kind: Kind, statements: Vec<Statement>, locks: Vec<Lock>) -> Step {
    Step { kind, statements, locks, replaces: Vec::new() }
}
