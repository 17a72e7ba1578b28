//! The foreign keys that are there, and which of them are right.

use pgrx::pg_sys::{OIDOID, Oid, TEXTOID};
use pgrx::spi::quote_identifier;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::store::companion::MAX_NAME;

/// What the right foreign key does.
pub(super) const RIGHT_ACTIONS: &str = "ON UPDATE CASCADE ON DELETE CASCADE";

/// A foreign key that the column is part of.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ForeignKey {
    relation: u32,
    pub(super) table: String,
    pub(super) name: String,
    columns: usize,
    pub(super) definition: String,
    pub(super) referenced_schema: String,
    pub(super) referenced_table: String,
    pub(super) references: String,
    on_update: char,
    on_delete: char,
    pub(super) is_valid: bool,
    /// Whether its triggers fire: a restore that was broken off may leave them disabled.
    is_enforced: bool,
    /// Whether it is a part of one of a partitioned table's.
    is_inherited: bool,
    is_to_users: bool,
    /// As in `ALTER TABLE`, with a blank before it; empty where it is not deferrable.
    pub(super) deferral: String,
}

/// How an answer shows a foreign key.
#[derive(Debug, Serialize)]
pub(crate) struct ShownForeignKey {
    table: String,
    name: String,
    definition: String,
    references: String,
    on_update: &'static str,
    on_delete: &'static str,
    is_valid: bool,
    is_enforced: bool,
    is_right: bool,
}

impl ForeignKey {
    pub(super) fn is_on(&self, relation: Oid) -> bool {
        self.relation == relation.to_u32()
    }

    /// Whether it leads from this column alone to the users' ids, whatever it does then.
    pub(super) fn is_to_users(&self) -> bool {
        self.is_to_users && self.columns == 1
    }

    /// Whether it does what the right one does; it may still have to be validated.
    pub(super) fn is_right(&self) -> bool {
        self.is_to_users() && self.on_update == 'c' && self.on_delete == 'c' && self.is_enforced
    }

    fn show(&self) -> ShownForeignKey {
        ShownForeignKey {
            table: self.table.clone(),
            name: self.name.clone(),
            definition: self.definition.clone(),
            references: self.references.clone(),
            on_update: action(self.on_update),
            on_delete: action(self.on_delete),
            is_valid: self.is_valid,
            is_enforced: self.is_enforced,
            is_right: self.is_right(),
        }
    }
}

/// Those of a table and of its partitions.
#[derive(Debug)]
pub(super) struct ForeignKeys(Vec<ForeignKey>);

impl ForeignKeys {
    pub(super) fn of(table: Oid, column: &str, users: Oid) -> Self {
        let query = include_str!("../../../sql/constraint/foreign_keys.sql");
        let found = facts(query, &[OIDOID, TEXTOID, OIDOID], &[table.into(), column.into(), users.into()]);
        Self(found.unwrap_or_default())
    }

    /// The right one of a table, its own or a part of its partitioned table's.
    pub(super) fn right(&self, relation: Oid) -> Option<&ForeignKey> {
        // A valid one first: another that is not would add nothing.
        let right = || self.0.iter().filter(|key| key.is_on(relation) && key.is_right());
        right().find(|key| key.is_valid).or_else(|| right().next())
    }

    /// Those of a table that the right one is to replace. Where one leads to the users, those are meant: others that lead elsewhere,
    /// say to a profile, are there for something else. Where none does, they are there in its place.
    pub(super) fn wrong(&self, relation: Oid) -> Vec<&ForeignKey> {
        let own: Vec<_> =
            self.0.iter().filter(|key| key.is_on(relation) && !key.is_inherited && key.columns == 1).collect();
        if self.0.iter().any(|key| key.is_on(relation) && key.is_to_users()) {
            own.into_iter().filter(|key| key.is_to_users() && !key.is_right()).collect()
        } else {
            own
        }
    }

    /// The names of all that are right, by which an error says that one of them refused a row.
    pub(super) fn right_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|key| key.is_right()).map(|key| key.name.as_str())
    }

    /// All but those that are a part of another.
    pub(super) fn show(&self) -> Vec<ShownForeignKey> {
        self.0.iter().filter(|key| !key.is_inherited).map(ForeignKey::show).collect()
    }
}

/// The names of a table's constraints.
fn constraint_names(relation: Oid) -> Vec<String> {
    let query =
        "SELECT coalesce(json_agg(k.conname), '[]')::text FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = $1";
    facts(query, &[OIDOID], &[relation.into()]).unwrap_or_default()
}

/// PostgreSQL's own name for a foreign key, or the next that is free.
pub(super) fn free_name(relation: Oid, table: &str, column: &str) -> String {
    let taken = constraint_names(relation);
    let suffixes = std::iter::once("_fkey".to_owned()).chain((1..).map(|number| format!("_fkey{number}")));
    let mut names = suffixes.map(|suffix| composed(table, column, &suffix));
    names.find(|name| !taken.contains(name)).expect("numbers do not end")
}

/// `table_column_suffix`, the longer of the two cut where all is too long.
fn composed(table: &str, column: &str, suffix: &str) -> String {
    let (mut table, mut column) = (table, column);
    while table.len() + 1 + column.len() + suffix.len() > MAX_NAME {
        let longer = if table.len() > column.len() { &mut table } else { &mut column };
        let end = longer.char_indices().next_back().map_or(0, |(end, _)| end);
        *longer = &longer[..end];
    }
    format!("{table}_{column}{suffix}")
}

/// `ADD CONSTRAINT` of the right foreign key.
pub(super) fn add(name: &str, column: &str, deferral: &str) -> String {
    let (name, column) = (quote_identifier(name), quote_identifier(column));
    format!("ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES auth.users (id) {RIGHT_ACTIONS}{deferral}")
}

/// What `pg_constraint`'s letter stands for.
pub(super) fn action(letter: char) -> &'static str {
    match letter {
        'c' => "CASCADE",
        'n' => "SET NULL",
        'd' => "SET DEFAULT",
        'r' => "RESTRICT",
        _ => "NO ACTION",
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::composed;

    #[pg_test]
    fn the_name_of_a_foreign_key_is_the_one_that_postgresql_gives() {
        Spi::run("CREATE TEMPORARY TABLE numbers (number integer PRIMARY KEY)").unwrap();
        for (table, column) in [("people", 7), ("p", 63), ("people_of_the_house", 60)]
            .map(|(table, length)| (table.to_owned(), "c".repeat(length)))
        {
            let create = format!("CREATE TEMPORARY TABLE {table} ({column} integer REFERENCES numbers)");
            Spi::run(&create).unwrap();
            let given = format!("SELECT conname::text FROM pg_constraint WHERE conrelid = 'pg_temp.{table}'::regclass");
            assert_eq!(Spi::get_one::<String>(&given).unwrap().unwrap(), composed(&table, &column, "_fkey"));
        }
        assert_eq!(composed(&"ö".repeat(31), "user_id", "_fkey"), format!("{}_user_id_fkey", "ö".repeat(25)));
    }
}
