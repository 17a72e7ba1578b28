//! How an import goes about it.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::{FieldError, HashPolicy, Region};

/// What becomes of a row whose address or number somebody has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictPolicy {
    /// It is left out.
    #[default]
    Skip,
    /// What the user who is there lacks is taken from it.
    Merge,
    /// It is a failure.
    Fail,
}

/// The parameters of a Firebase project's scrypt, as its console shows them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirebaseKey {
    /// `base64_signer_key`.
    pub signer_key: SecretString,
    /// `base64_salt_separator`.
    #[serde(default = "FirebaseKey::salt_separator")]
    pub salt_separator: String,
    /// `rounds`.
    #[serde(default = "FirebaseKey::rounds")]
    pub rounds: u32,
    /// `mem_cost`.
    #[serde(default = "FirebaseKey::mem_cost")]
    pub mem_cost: u32,
}

impl FirebaseKey {
    fn salt_separator() -> String {
        "Bw==".into()
    }

    fn rounds() -> u32 {
        8
    }

    fn mem_cost() -> u32 {
        14
    }
}

/// The options of an import.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportOptions {
    /// What the source is called, where that is not its own name: an import of the same name goes on where the one before stopped.
    pub source: Option<String>,
    /// What becomes of conflicts.
    pub on_conflict: ConflictPolicy,
    /// Whether hashes of one round of SHA-1 or MD5 are taken, each within a new one of argon2id: 30 ms a row.
    pub allow_weak: bool,
    /// Whether addresses count as confirmed where no column tells.
    pub assume_verified: bool,
    /// What the app put behind each password before it hashed it (Devise).
    pub pepper: Option<SecretString>,
    /// The key of a Firebase project.
    pub firebase: Option<FirebaseKey>,
    /// The country of national phone numbers.
    pub phone_region: Option<String>,
    /// Whether everything is undone in the end, and only the report stays.
    pub dry_run: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            source: None,
            on_conflict: ConflictPolicy::Skip,
            allow_weak: false,
            assume_verified: true,
            pepper: None,
            firebase: None,
            phone_region: None,
            dry_run: false,
        }
    }
}

impl ImportOptions {
    /// Reads the options; `null` is the defaults.
    ///
    /// # Errors
    /// `validation_failed` on `options`; no value is repeated, one of them is a secret.
    pub fn parse(options: &Value) -> Result<Self, FieldError> {
        if options.is_null() {
            return Ok(Self::default());
        }
        const HINT: &str = "Options are: source, on_conflict (skip, merge, fail), allow_weak, assume_verified, pepper, \
                            firebase (signer_key, salt_separator, rounds, mem_cost), phone_region, dry_run.";
        let parsed: Self = serde_json::from_value(options.clone())
            .map_err(|_| FieldError::invalid("options", "The options cannot be read.").with_hint(HINT))?;
        if let Some(region) = &parsed.phone_region
            && Region::parse(region).is_none()
        {
            return Err(FieldError::invalid("phone_region", "There is no such country.").with_hint("Like US or DE."));
        }
        Ok(parsed)
    }

    /// The country of national phone numbers.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.phone_region.as_deref().and_then(Region::parse)
    }
}

/// What reading a row needs beside the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'r> {
    pub(super) options: &'r ImportOptions,
    pub(super) policy: &'r HashPolicy,
}
