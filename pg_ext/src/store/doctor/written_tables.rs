//! Where the names lead that a trigger's function writes to, and whether it may go there.

use pgrx::pg_sys::JSONBOID;
use pgrx::spi::SpiClient;
use registrar_core::WrittenTable;
use serde::{Deserialize, Serialize};

use super::{facts, json};
use crate::pg::PgError;

/// A table that some role writes, with a search_path.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    place: usize,
    schema_name: Option<String>,
    table_name: String,
    privilege: &'static str,
    role_name: String,
    search_path: Vec<String>,
}

impl Asked {
    pub(super) fn new(place: usize, write: &WrittenTable, role: &str, search_path: &[String]) -> Self {
        Self {
            place,
            schema_name: write.schema.clone(),
            table_name: write.table.clone(),
            privilege: write.kind.privilege(),
            role_name: role.to_owned(),
            search_path: search_path.to_vec(),
        }
    }
}

/// What becomes of it; the fields from `table_oid` to `is_owned_by_superuser` are of the table found, if any.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    place: usize,
    pub(super) table_oid: Option<u32>,
    /// Qualified and quoted, like its schema and its owner.
    pub(super) quoted: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) is_owned_by_superuser: Option<bool>,
    /// Whether the name leads to it: it names the schema, or the search_path does.
    pub(super) is_reached: Option<bool>,
    /// All schemas that have such a table, quoted.
    pub(super) schemas: Option<Vec<String>>,
    pub(super) may_use_schema: Option<bool>,
    pub(super) may_write: Option<bool>,
}

impl Answer {
    /// Whether the statement is allowed, where the table is there at all.
    pub(super) fn is_allowed(&self) -> bool {
        self.may_use_schema != Some(false) && self.may_write != Some(false)
    }
}

/// The answers, in the order of what was asked.
pub(super) fn look_up(client: &SpiClient<'_>, asked: &[Asked]) -> Result<Vec<Answer>, PgError> {
    let query = include_str!("../../../sql/doctor/written_tables.sql");
    let answers: Vec<Answer> = facts(client, query, &[JSONBOID], &[json(&asked)])?;
    debug_assert!(answers.iter().zip(asked).all(|(answer, asked)| answer.place == asked.place));
    Ok(answers)
}
