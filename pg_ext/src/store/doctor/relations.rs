//! Foreign keys to users: whether each column that holds users has the right one.

use pgrx::pg_sys::{JSONBOID, OIDOID, Oid, TEXTARRAYOID};
use pgrx::spi::{SpiClient, quote_identifier, quote_qualified_identifier};
use registrar_core::Severity;
use serde::Deserialize;

use super::declared::{Named, Origin};
use super::{Check, Finding, Subjects, facts, json, system_schemas};
use crate::pg::PgError;

/// A column that holds users, as the catalogue has it.
#[derive(Debug, Deserialize)]
pub(super) struct Relation {
    origin: Origin,
    pub(super) schema_name: String,
    pub(super) table_name: String,
    pub(super) column_name: String,
    update_cascade: bool,
    pub(super) table_oid: Option<u32>,
    kind: Option<String>,
    column_type: Option<String>,
    has_index: bool,
    is_unique: bool,
    constraint_names: Vec<String>,
    foreign_keys: Vec<ForeignKey>,
}

#[derive(Debug, Deserialize)]
struct ForeignKey {
    name: String,
    refers_to: String,
    is_to_users: bool,
    /// Whether what it refers to refers to users by the same column.
    leads_to_users: bool,
    on_delete: char,
    on_update: char,
    is_valid: bool,
}

pub(super) fn load(client: &SpiClient<'_>, named: &[Named], users: Option<Oid>) -> Result<Vec<Relation>, PgError> {
    let query = include_str!("../../../sql/doctor/relations.sql");
    facts(client, query, &[JSONBOID, TEXTARRAYOID, OIDOID], &[json(&named), system_schemas(), users.into()])
}

pub(super) fn find(_: &SpiClient<'_>, subjects: &Subjects) -> Result<Vec<Finding>, PgError> {
    if subjects.users.is_none() {
        return Ok(Vec::new());
    }
    // What Supabase Auth keeps of its own is not for others to alter.
    let judged = subjects.relations.iter().filter(|relation| relation.origin != Origin::Auth);
    Ok(judged.flat_map(Relation::faults).collect())
}

impl Relation {
    pub(super) fn is_attached(&self) -> bool {
        self.origin == Origin::Attached
    }

    pub(super) fn is_found(&self) -> bool {
        self.origin == Origin::Found
    }

    /// The table, qualified and quoted.
    pub(super) fn table(&self) -> String {
        quote_qualified_identifier(&self.schema_name, &self.table_name)
    }

    /// The column, quoted.
    pub(super) fn column(&self) -> String {
        quote_identifier(&self.column_name)
    }

    pub(super) fn object(&self) -> String {
        format!("{}.{}", self.table(), self.column())
    }

    /// Whether it is a plain column of UUIDs in a plain table: what can be compared with users without running anybody's code.
    fn is_readable(&self) -> bool {
        self.kind.as_deref() == Some("r") && self.is_uuid()
    }

    fn is_uuid(&self) -> bool {
        self.column_type.as_deref() == Some("uuid")
    }

    /// Whether its rows are looked up among the users. Of tables that are only found, a valid foreign key is believed; and one
    /// that leads elsewhere may tell of other users than those of auth.users.
    pub(super) fn is_compared(&self) -> bool {
        let is_unguarded = || self.foreign_keys.iter().all(|key| key.is_to_users && !key.is_valid);
        self.is_readable() && (!self.is_found() || self.is_profile_table() || is_unguarded())
    }

    /// Whether every user is to have a row: an attached table, or one that is made like one and called so.
    pub(super) fn is_profile_table(&self) -> bool {
        let looks_like_one = || self.is_found() && self.table_name.contains("profile");
        self.is_readable() && self.is_unique && (self.is_attached() || looks_like_one())
    }

    /// Whether registrar or Supabase Auth keep it.
    pub(super) fn is_kept_by_others(&self) -> bool {
        matches!(self.origin, Origin::Registrar | Origin::Auth)
    }

    /// What was said to hold users is wrong where it is not right; what only looks like it may be something else.
    pub(super) fn severity(&self) -> Severity {
        if self.is_found() { Severity::Warning } else { Severity::Error }
    }

    fn fault(&self, check: Check, finding: impl Into<String>, fix_sql: Option<String>) -> Finding {
        let severity = self.severity();
        Finding { check, severity, object: self.object(), finding: finding.into(), fix_sql }
    }

    fn faults(&self) -> Vec<Finding> {
        let Some(column_type) = self.column_type.as_deref() else { return vec![self.missing()] };
        if !self.is_uuid() {
            return self.wrong_type(column_type).into_iter().collect();
        }
        let mut faults = self.wrong_key();
        let refers = self.foreign_keys.iter().any(|key| key.is_to_users);
        if !self.has_index && (refers || !self.is_found()) {
            let fix = format!("CREATE INDEX CONCURRENTLY ON {} ({});", self.table(), self.column());
            // A partitioned table takes no CONCURRENTLY.
            let fix = if self.is_partitioned() { fix.replace(" CONCURRENTLY", "") } else { fix };
            let severity = Severity::Warning;
            faults.push(Finding {
                severity,
                ..self.fault(Check::ForeignKeyIndex, "No index begins with the column.", Some(fix))
            });
        }
        if self.is_attached() && !self.is_unique {
            let fix = format!("CREATE UNIQUE INDEX CONCURRENTLY ON {} ({});", self.table(), self.column());
            let fix = if self.is_partitioned() { fix.replace(" CONCURRENTLY", "") } else { fix };
            faults.push(self.fault(Check::ProfileUserNotUnique, "No unique index is on it alone.", Some(fix)));
        }
        faults
    }

    fn missing(&self) -> Finding {
        let what = if self.table_oid.is_none() { "There is no such table." } else { "The table has no such column." };
        let check = if self.is_attached() { Check::ProfileTableMissing } else { Check::RelationMissing };
        self.fault(check, what, None)
    }

    fn wrong_type(&self, column_type: &str) -> Option<Finding> {
        let is_text = matches!(column_type, "text" | "character varying");
        // Whose ids are numbers has users of another kind.
        let severity = if self.is_found() { Severity::Notice } else { Severity::Error };
        let (table, column) = (self.table(), self.column());
        let fix = is_text.then(|| format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE uuid USING {column}::uuid;"));
        let finding = format!("Its type is {column_type}, and ids of users are uuid.");
        Some(Finding { severity, ..self.fault(Check::ForeignKeyType, finding, fix) })
    }

    fn wrong_key(&self) -> Vec<Finding> {
        let keys = &self.foreign_keys;
        let Some(key) = keys.iter().find(|key| key.is_to_users) else { return self.no_key().into_iter().collect() };
        let replace =
            || Some(self.foreign_key(&key.name, &format!("DROP CONSTRAINT {}, ", quote_identifier(&key.name))));
        let mut faults = Vec::new();
        // Of a table that is only found, SET NULL and SET DEFAULT are somebody's decision; nobody decides for NO ACTION.
        let keeps_users = matches!(key.on_delete, 'a' | 'r');
        if keeps_users || key.on_delete != 'c' && !self.is_found() {
            let finding = format!("Its foreign key {} is ON DELETE {}.", key.name, action(key.on_delete));
            faults.push(self.fault(Check::ForeignKeyDelete, finding, replace()));
        } else if self.update_cascade && key.on_update != 'c' {
            let finding = format!("Its foreign key {} is ON UPDATE {}.", key.name, action(key.on_update));
            faults.push(self.fault(Check::ForeignKeyUpdate, finding, replace()));
        } else if !key.is_valid {
            let fix = format!("ALTER TABLE {} VALIDATE CONSTRAINT {};", self.table(), quote_identifier(&key.name));
            let finding = format!("Its foreign key {} is NOT VALID.", key.name);
            faults.push(self.fault(Check::ForeignKeyNotValid, finding, Some(fix)));
        }
        faults
    }

    fn no_key(&self) -> Option<Finding> {
        let Some(elsewhere) = self.foreign_keys.first() else {
            let fix = self.foreign_key(&self.free_name(), "");
            return Some(self.fault(
                Check::ForeignKeyMissing,
                "No foreign key leads from it to auth.users.",
                Some(fix),
            ));
        };
        let finding =
            format!("Its foreign key {} leads to {}, not to auth.users.", elsewhere.name, elsewhere.refers_to);
        if self.is_found() {
            // By way of a profile, or of another table that is no copy of the users: as it should be.
            let is_copy = elsewhere.refers_to.ends_with(".users") && !elsewhere.leads_to_users;
            return is_copy.then(|| self.fault(Check::ForeignKeyElsewhere, finding, None));
        }
        let drop = format!("DROP CONSTRAINT {}, ", quote_identifier(&elsewhere.name));
        Some(self.fault(Check::ForeignKeyElsewhere, finding, Some(self.foreign_key(&elsewhere.name, &drop))))
    }

    /// The statements that put the right foreign key in place: unchecked first, which takes no time, then checked, which locks
    /// nobody out.
    fn foreign_key(&self, name: &str, drop: &str) -> String {
        let (table, column, name) = (self.table(), self.column(), quote_identifier(name));
        let key = format!(
            "ALTER TABLE {table} {drop}ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES auth.users (id) \
             ON UPDATE CASCADE ON DELETE CASCADE"
        );
        // Before PostgreSQL 18 a partitioned table takes no foreign key that is not valid.
        if self.is_partitioned() {
            return format!("{key};");
        }
        format!("{key} NOT VALID;\nALTER TABLE {table} VALIDATE CONSTRAINT {name};")
    }

    /// PostgreSQL's own name for such a constraint, or the next that is free.
    fn free_name(&self) -> String {
        let stem: String = format!("{}_{}", self.table_name, self.column_name).chars().take(40).collect();
        let names = std::iter::once(format!("{stem}_fkey")).chain((1..).map(|number| format!("{stem}_fkey{number}")));
        names.into_iter().find(|name| !self.constraint_names.contains(name)).unwrap_or(stem)
    }

    fn is_partitioned(&self) -> bool {
        self.kind.as_deref() == Some("p")
    }
}

/// What pg_constraint's letter stands for.
fn action(letter: char) -> &'static str {
    match letter {
        'c' => "CASCADE",
        'n' => "SET NULL",
        'd' => "SET DEFAULT",
        'r' => "RESTRICT",
        _ => "NO ACTION",
    }
}
