//! What became of the rows of an import.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOutcome {
    /// There is a new user.
    Imported,
    /// A user who was there has what was lacking.
    Merged,
    /// Somebody has the address or number.
    Skipped,
    /// It could not be a user.
    Failed,
}

impl RowOutcome {
    /// The name, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Merged => "merged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Why a row is no new user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowReason {
    /// Neither an address nor a number.
    NoIdentifier,
    /// The address is none.
    InvalidEmail,
    /// The number is none.
    InvalidPhone,
    /// The key is longer than 255 characters.
    InvalidId,
    /// A flag, time or object is none.
    InvalidValue,
    /// There is no such role.
    InvalidRole,
    /// The hash is of no known scheme.
    UnknownScheme,
    /// Verifying the hash would stall the server.
    CostlyHash,
    /// One round of SHA-1 or MD5.
    WeakHash,
    /// A user has the address.
    EmailExists,
    /// A user has the number.
    PhoneExists,
    /// A user has the key, who has another address.
    IdExists,
    /// Another row of the source has the key.
    DuplicateId,
    /// The database refused the row: a trigger or a constraint.
    Database,
}

impl RowReason {
    /// The name, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoIdentifier => "no_identifier",
            Self::InvalidEmail => "invalid_email",
            Self::InvalidPhone => "invalid_phone",
            Self::InvalidId => "invalid_id",
            Self::InvalidValue => "invalid_value",
            Self::InvalidRole => "invalid_role",
            Self::UnknownScheme => "unknown_scheme",
            Self::CostlyHash => "costly_hash",
            Self::WeakHash => "weak_hash",
            Self::EmailExists => "email_exists",
            Self::PhoneExists => "phone_exists",
            Self::IdExists => "id_exists",
            Self::DuplicateId => "duplicate_id",
            Self::Database => "database",
        }
    }
}

/// A row that is no new user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReport {
    /// Its place in the source, from 1.
    pub position: i64,
    /// What it is known by: its key in the source, else its address, number or place.
    pub key: String,
    /// How it ended.
    pub outcome: RowOutcome,
    /// Why.
    pub reason: RowReason,
    /// The same as a sentence.
    pub message: String,
}

/// What became of all rows. The five counts add up to `rows`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportReport {
    /// The name of the source.
    pub source: String,
    /// Whether everything was undone.
    pub dry_run: bool,
    /// How many rows there were.
    pub rows: u64,
    /// New users.
    pub imported: u64,
    /// Users who were there and have what was lacking.
    pub merged: u64,
    /// Rows left out, since somebody has the address or number.
    pub skipped: u64,
    /// Rows that could not be users.
    pub failed: u64,
    /// Rows that an import of the same source had done before.
    pub repeated: u64,
    /// How many of the rows had a hash of each scheme; `none` are those without a password.
    pub schemes: BTreeMap<String, u64>,
    /// How many rows were merged, skipped or failed for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// Columns of the source that no field was mapped to.
    pub columns_left_behind: Vec<String>,
    /// The first hundred rows that are no new users; all of them are in `registrar.import_rows`.
    pub examples: Vec<RowReport>,
}

impl ImportReport {
    /// Most rows that are shown.
    const MAX_EXAMPLES: usize = 100;

    /// Counts a row that became a user.
    pub fn count_imported(&mut self) {
        self.imported += 1;
    }

    /// Counts a row that did not.
    pub fn count(&mut self, row: RowReport) {
        match row.outcome {
            RowOutcome::Imported => self.imported += 1,
            RowOutcome::Merged => self.merged += 1,
            RowOutcome::Skipped => self.skipped += 1,
            RowOutcome::Failed => self.failed += 1,
        }
        *self.reasons.entry(row.reason.as_str().to_owned()).or_default() += 1;
        if self.examples.len() < Self::MAX_EXAMPLES {
            self.examples.push(row);
        }
    }

    /// Adds what became of more rows of the same source.
    pub fn add(&mut self, more: Self) {
        self.rows += more.rows;
        self.imported += more.imported;
        self.merged += more.merged;
        self.skipped += more.skipped;
        self.failed += more.failed;
        self.repeated += more.repeated;
        for (counts, more) in [(&mut self.schemes, more.schemes), (&mut self.reasons, more.reasons)] {
            for (name, count) in more {
                *counts.entry(name).or_default() += count;
            }
        }
        self.columns_left_behind.extend(more.columns_left_behind);
        self.columns_left_behind.sort_unstable();
        self.columns_left_behind.dedup();
        let room = Self::MAX_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(more.examples.into_iter().take(room));
    }

    /// Counts the scheme of a row's hash, `None` where it has no password.
    pub fn count_scheme(&mut self, scheme: Option<&'static str>) {
        *self.schemes.entry(scheme.unwrap_or("none").to_owned()).or_default() += 1;
    }
}
