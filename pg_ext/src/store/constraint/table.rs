//! The table whose foreign key it is about, and which tables cannot have one.

use pgrx::pg_sys::{Oid, TEXTOID};
use pgrx::spi::quote_qualified_identifier;
use registrar_core::FieldError;
use serde::Deserialize;

use super::names::TableName;
use super::{facts, invalid};

/// Schemas whose tables are not an app's, and who keeps them.
const KEPT_BY_OTHERS: &[(&str, &str)] = &[
    ("pg_catalog", "PostgreSQL"),
    ("information_schema", "PostgreSQL"),
    ("pg_toast", "PostgreSQL"),
    ("auth", "Supabase Auth, or registrar.setup() where there is none"),
    ("registrar", "registrar.setup()"),
    ("registrar_private", "registrar.setup()"),
];

/// What the catalogue says of a table.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// `pg_class.relkind`.
    kind: char,
    is_temporary: bool,
    /// The table that it is a partition of.
    partition_of: Option<String>,
    owner: u32,
    /// Quoted where it must be.
    pub(super) owner_name: String,
    pub(super) columns: Vec<TableColumn>,
    /// The partitions that hold rows, where it is partitioned.
    pub(super) leaves: Vec<Leaf>,
}

/// A column of it.
#[derive(Debug, Deserialize)]
pub(super) struct TableColumn {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) sql_type: String,
    /// Whether it holds UUIDs, as such or by way of a domain.
    pub(super) is_uuid: bool,
    /// The type behind a domain; the type itself where it is none.
    pub(super) base_type: String,
    /// `pg_type.typcategory`.
    pub(super) category: char,
    pub(super) is_generated: bool,
    /// Whether an insert that leaves it out fails.
    pub(super) is_demanded: bool,
}

/// A partition that holds rows.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Leaf {
    oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    kind: char,
}

impl Leaf {
    pub(super) fn oid(&self) -> Oid {
        self.oid.into()
    }

    pub(super) fn quoted(&self) -> String {
        quote_qualified_identifier(&self.schema, &self.name)
    }
}

impl Table {
    /// The table of that name.
    ///
    /// # Errors
    /// Where there is none, or it is none that can have such a foreign key.
    pub(super) fn find(name: &TableName) -> Result<Self, FieldError> {
        let query = include_str!("../../../sql/constraint/table.sql");
        let arguments = [name.schema.as_str().into(), name.name.as_str().into()];
        let table: Self = facts(query, &[TEXTOID, TEXTOID], &arguments).ok_or_else(|| name.unknown())?;
        match table.unfit() {
            Some(error) => Err(error),
            None => Ok(table),
        }
    }

    pub(super) fn oid(&self) -> Oid {
        self.oid.into()
    }

    pub(super) fn owner(&self) -> Oid {
        self.owner.into()
    }

    pub(super) fn is_partitioned(&self) -> bool {
        self.kind == 'p'
    }

    /// Qualified and quoted.
    pub(super) fn quoted(&self) -> String {
        quote_qualified_identifier(&self.schema, &self.name)
    }

    /// Its rows, without those of tables that inherit from it: these have a foreign key of their own, or none.
    pub(super) fn rows(&self) -> String {
        if self.is_partitioned() { self.quoted() } else { format!("ONLY {}", self.quoted()) }
    }

    fn unfit(&self) -> Option<FieldError> {
        let unfit = |message: String, hint: &str| Some(invalid("table", message, hint));
        if let Some((_, keeper)) = KEPT_BY_OTHERS.iter().find(|(schema, _)| *schema == self.schema) {
            let message = format!("{} is kept by {keeper}.", self.quoted());
            return unfit(message, "Name a table of the app's own.");
        }
        let behind = "A foreign key is a table's: name the table behind it.";
        match self.kind {
            'r' | 'p' => {}
            'v' => return unfit(format!("{} is a view.", self.quoted()), behind),
            'm' => return unfit(format!("{} is a materialized view.", self.quoted()), behind),
            'f' => {
                let message = format!("{} is a foreign table.", self.quoted());
                return unfit(message, "PostgreSQL checks no foreign key of rows that it does not keep.");
            }
            _ => return unfit(format!("{} is no table.", self.quoted()), "Name a table."),
        }
        if self.is_temporary {
            let message = format!("{} is a temporary table.", self.quoted());
            return unfit(message, "A temporary table can refer to temporary tables only.");
        }
        if let Some(parent) = &self.partition_of {
            let hint = format!("The foreign key belongs on all of them: name {parent}.");
            return unfit(format!("{} is a partition of {parent}.", self.quoted()), &hint);
        }
        let foreign = self.leaves.iter().find(|leaf| leaf.kind == 'f')?;
        let message = format!("The partition {} is a foreign table, which can have no foreign key.", foreign.quoted());
        unfit(message, "Detach it first.")
    }
}
