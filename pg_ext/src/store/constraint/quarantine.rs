//! The table that orphans are moved to: beside theirs, with the same columns and no constraints, and nobody's but the owner's.

use pgrx::pg_sys::{OIDOID, TEXTOID};
use pgrx::spi::{quote_identifier, quote_literal};
use registrar_core::FieldError;
use serde::Deserialize;

use super::plan::Statement;
use super::situation::Situation;
use super::{facts, invalid};
use crate::store::companion::Companion;

/// The quarantine of a table.
pub(super) struct Quarantine {
    pub(super) quoted: String,
    /// The table that the rows come from.
    rows: String,
    table: String,
    columns: Vec<String>,
    /// The column that says when a row came.
    stamp: &'static str,
    /// The owner, where whoever makes it is somebody else.
    new_owner: Option<String>,
    facts: Facts,
}

#[derive(Deserialize)]
struct Facts {
    table: Option<Present>,
    default_grantees: Vec<String>,
}

/// A table of that name.
#[derive(Deserialize)]
struct Present {
    /// Whether registrar made it.
    is_ours: bool,
    is_the_owners: bool,
    has_row_security: bool,
    /// Whether triggers, rules, constraints or policies stand on it.
    has_code: bool,
    /// Columns of the rows that it does not have, or has with another type.
    missing_columns: Vec<String>,
    grantees: Vec<String>,
}

impl Quarantine {
    pub(super) fn of(situation: &Situation) -> Self {
        let table = &situation.table;
        let companion = Companion::of(&table.schema, &table.name, "orphans");
        let facts = facts(
            include_str!("../../../sql/constraint/quarantine.sql"),
            &[TEXTOID, TEXTOID, OIDOID, OIDOID, OIDOID],
            &[
                table.schema.as_str().into(),
                companion.name().into(),
                table.oid().into(),
                table.owner().into(),
                situation.actor.into(),
            ],
        );
        let has = |name: &str| table.columns.iter().any(|column| column.name == name);
        Self {
            quoted: companion.quoted(),
            rows: table.rows(),
            table: table.quoted(),
            columns: table.columns.iter().map(|column| quote_identifier(&column.name)).collect(),
            stamp: if has("orphaned_at") { "registrar_orphaned_at" } else { "orphaned_at" },
            new_owner: (situation.actor != table.owner()).then(|| table.owner_name.clone()),
            facts: facts.expect("the query returns one row"),
        }
    }

    /// What makes the table, or takes back what was granted on it; `None` where nothing is to be done.
    pub(super) fn preparation(&self) -> Option<Vec<Statement>> {
        let quoted = &self.quoted;
        let secure = format!("ALTER TABLE {quoted} ENABLE ROW LEVEL SECURITY");
        let revoke = |grantees: &[String]| {
            let all = grantees.join(", ");
            (!grantees.is_empty()).then(|| format!("REVOKE ALL ON TABLE {quoted} FROM {all}"))
        };
        let statements: Vec<String> = match &self.facts.table {
            None => {
                let comment = quote_literal(format!(
                    "Rows of {} whose user did not exist; made by registrar.verify_and_fix_constraint.",
                    self.table
                ));
                let create = format!(
                    "CREATE TABLE {quoted} AS SELECT t.*, now() AS {} FROM {} AS t WITH NO DATA",
                    self.stamp, self.rows
                );
                let comment = format!("COMMENT ON TABLE {quoted} IS {comment}");
                let owner = self.new_owner.as_ref().map(|owner| format!("ALTER TABLE {quoted} OWNER TO {owner}"));
                [create, secure, comment].into_iter().chain(revoke(&self.facts.default_grantees)).chain(owner).collect()
            }
            Some(present) => {
                let secure = (!present.has_row_security).then_some(secure);
                secure.into_iter().chain(revoke(&present.grantees)).collect()
            }
        };
        (!statements.is_empty()).then(|| statements.into_iter().map(Statement::of_actor).collect())
    }

    /// The statement that puts into it what another deletes.
    pub(super) fn moving(&self, delete: &str) -> String {
        let (names, stamp) = (self.columns.join(", "), self.stamp);
        let values: Vec<_> = self.columns.iter().map(|column| format!("m.{column}")).collect();
        format!(
            "WITH moved AS ({delete} RETURNING t.*) INSERT INTO {} ({names}, {stamp}) SELECT {}, now() FROM moved AS m",
            self.quoted,
            values.join(", ")
        )
    }

    /// Why the table that is there by that name cannot take the rows.
    pub(super) fn obstacle(&self) -> Option<FieldError> {
        let present = self.facts.table.as_ref()?;
        let rename = format!("Rename it: ALTER TABLE {} RENAME TO …; a new one is then made.", self.quoted);
        let message = if !present.is_ours {
            format!(
                "Orphans would be moved to {}, and there is a relation of that name which registrar did not make.",
                self.quoted
            )
        } else if !present.is_the_owners || present.has_code {
            format!(
                "The quarantine {} is not as registrar made it: another owner, or triggers, rules, constraints or policies.",
                self.quoted
            )
        } else if !present.missing_columns.is_empty() {
            let missing = present.missing_columns.join(", ");
            format!(
                "The quarantine {} is of an earlier form of the table: it has no {missing} of that type.",
                self.quoted
            )
        } else {
            return None;
        };
        Some(invalid("orphans", message, rename))
    }
}
