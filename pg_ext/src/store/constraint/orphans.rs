//! Orphans: rows whose user does not exist.

use pgrx::pg_sys::OIDOID;
use pgrx::spi::{quote_identifier, quote_qualified_identifier};
use registrar_core::FieldError;
use serde::{Deserialize, Serialize};

use super::execution::count;
use super::foreign_keys::action;
use super::progress::Progress;
use super::situation::Situation;
use super::{NotDone, facts, invalid};

/// What becomes of orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// They are counted, and keep the foreign key from being put in place.
    Report,
    /// They are moved to a table beside theirs.
    Quarantine,
    Delete,
}

impl Policy {
    const WORDS: [(&str, Self); 3] =
        [("report", Self::Report), ("quarantine", Self::Quarantine), ("delete", Self::Delete)];

    pub(super) fn from_word(word: &str) -> Result<Self, FieldError> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, policy)| *policy);
        let words = || Self::WORDS.map(|(word, _)| word).join(", ");
        found.ok_or_else(|| {
            invalid("orphans", "That is not what can become of orphans.", format!("Choose one of: {}.", words()))
        })
    }
}

/// What was found of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Orphans {
    /// `None` where they could not be counted.
    pub(super) count: Option<u64>,
    /// Why they could not.
    pub(super) reason: Option<String>,
    /// Rows of other tables that go or change with them.
    pub(super) referring: Vec<Referring>,
}

/// Rows that refer to orphans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Referring {
    pub(super) table: String,
    pub(super) constraint: String,
    /// What becomes of them where an orphan goes.
    pub(super) on_delete: String,
    /// `None` where they could not be counted.
    pub(super) rows: Option<u64>,
}

/// A foreign key that leads to the table.
#[derive(Deserialize)]
struct Referrer {
    schema: String,
    name: String,
    kind: char,
    constraint: String,
    on_delete: char,
    /// Whether it leads from the table to itself.
    is_own: bool,
    /// Each referring column with the one that it refers to.
    columns: Vec<(String, String)>,
}

/// The condition that a row is an orphan.
pub(super) fn condition(situation: &Situation, row: &str) -> String {
    let column = format!("{row}.{}", situation.quoted_column());
    format!("{column} IS NOT NULL AND NOT EXISTS (SELECT FROM auth.users AS u WHERE u.id = {column})")
}

impl Orphans {
    /// Counts them and what refers to them, leaving no lock.
    ///
    /// # Errors
    /// Where a lock is not to be had.
    pub(super) fn find(situation: &Situation) -> Result<Self, NotDone> {
        let rows = situation.table.rows();
        let query = format!("SELECT count(*) FROM {rows} AS t WHERE {}", condition(situation, "t"));
        Ok(match count(situation, &query)? {
            Ok(0) => Self { count: Some(0), ..Self::default() },
            Ok(orphans) => Self { count: Some(orphans), reason: None, referring: referring(situation)? },
            Err(message) => Self { reason: Some(format!("PostgreSQL says: {message}.")), ..Self::default() },
        })
    }
}

fn referring(situation: &Situation) -> Result<Vec<Referring>, NotDone> {
    let query = include_str!("../../../sql/constraint/referring.sql");
    let referrers: Vec<Referrer> = facts(query, &[OIDOID], &[situation.table.oid().into()]).unwrap_or_default();
    let mut found = Vec::new();
    for referrer in referrers {
        let rows = count(situation, &referrer.query(situation))?.ok();
        if rows != Some(0) {
            found.push(Referring {
                table: quote_qualified_identifier(&referrer.schema, &referrer.name),
                on_delete: action(referrer.on_delete).to_owned(),
                constraint: referrer.constraint,
                rows,
            });
        }
    }
    Ok(found)
}

impl Referrer {
    /// Counts the rows that refer to an orphan, but for orphans themselves.
    fn query(&self, situation: &Situation) -> String {
        let name = quote_qualified_identifier(&self.schema, &self.name);
        let only = if self.kind == 'p' { "" } else { "ONLY " };
        let joined: Vec<_> = self
            .columns
            .iter()
            .map(|(own, referred)| format!("c.{} = t.{}", quote_identifier(own), quote_identifier(referred)))
            .collect();
        let rows = situation.table.rows();
        let (orphan, joined) = (condition(situation, "t"), joined.join(" AND "));
        let others = if self.is_own { format!(" AND NOT ({})", condition(situation, "c")) } else { String::new() };
        format!(
            "SELECT count(*) FROM {only}{name} AS c
             WHERE EXISTS (SELECT FROM {rows} AS t WHERE {orphan} AND {joined}){others}"
        )
    }
}

/// Whether as many have gone as were found. Rows that came in since then are none of these: the foreign key refuses them.
///
/// # Errors
/// Where some are still there.
pub(super) fn check_none_stayed(situation: &Situation, progress: &Progress) -> Result<(), NotDone> {
    let Some(gone) = progress.gone else { return Ok(()) };
    if progress.orphans.count.is_some_and(|found| gone >= found) {
        return Ok(());
    }
    match Orphans::find(situation)?.count {
        Some(0) => Ok(()),
        stayed => Err(they_stay(stayed).into()),
    }
}

/// What is said where orphans are still there though they were to go.
pub(super) fn they_stay(count: Option<u64>) -> FieldError {
    let number = count.map(|count| format!(": {count}")).unwrap_or_default();
    let message = format!("Rows whose user does not exist are still there{number}.");
    let hint = "They came in meanwhile: call again. Or a trigger or rule of the table keeps them from being removed.";
    invalid("orphans", message, hint)
}
