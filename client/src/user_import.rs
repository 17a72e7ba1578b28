//! Users of other systems: `registrar.import_user_rows`.

use registrar_core::{ConflictPolicy, ImportReport, SourceRow};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

/// What is imported, and how. Debug shows none of its secrets.
#[derive(Debug, Clone)]
pub struct UserImport {
    source: String,
    mapping: Map<String, Value>,
    options: Map<String, Value>,
    pepper: Option<SecretString>,
    firebase_key: Option<SecretString>,
}

impl UserImport {
    /// An import of a source of that name: another one of the same name goes on where the one before stopped.
    #[must_use]
    pub fn of(source: impl Into<String>) -> Self {
        let (mapping, options) = (Map::new(), Map::new());
        Self { source: source.into(), mapping, options, pepper: None, firebase_key: None }
    }

    /// The system that the users come from: `fastapi-users`, `django`, `devise`, `laravel`, `firebase`, `auth0`, `supabase` or `custom`.
    #[must_use]
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.mapping.insert("preset".into(), name.into().into());
        self
    }

    /// Which column a field is in; `None` leaves the field out.
    #[must_use]
    pub fn column(mut self, field: impl Into<String>, column: Option<String>) -> Self {
        self.mapping.insert(field.into(), json!(column));
        self
    }

    /// What becomes of a row whose address or number somebody has: skipped unless said otherwise.
    #[must_use]
    pub fn on_conflict(self, policy: ConflictPolicy) -> Self {
        let name = match policy {
            ConflictPolicy::Skip => "skip",
            ConflictPolicy::Merge => "merge",
            ConflictPolicy::Fail => "fail",
        };
        self.option("on_conflict", name)
    }

    /// Takes hashes of one round of SHA-1 or MD5, each within a new one of argon2id: about 30 ms a row, in the database.
    #[must_use]
    pub fn allow_weak(self) -> Self {
        self.option("allow_weak", true)
    }

    /// Whether addresses count as confirmed where no column tells: they do unless said otherwise.
    #[must_use]
    pub fn assume_verified(self, verified: bool) -> Self {
        self.option("assume_verified", verified)
    }

    /// The country of phone numbers that are written without one, like `US`.
    #[must_use]
    pub fn phone_region(self, region: impl Into<String>) -> Self {
        self.option("phone_region", region.into())
    }

    /// Changes nothing: each call is undone when its report is made. (Rows are compared with those of the same call and with the database,
    /// not with rows of other calls.)
    #[must_use]
    pub fn dry_run(self) -> Self {
        self.option("dry_run", true)
    }

    /// What the app put behind each password before it hashed it, as Devise does.
    #[must_use]
    pub fn pepper(mut self, pepper: impl Into<SecretString>) -> Self {
        self.pepper = Some(pepper.into());
        self
    }

    /// The hash parameters of a Firebase project, as JSON: `signer_key`, and `salt_separator`, `rounds`, `mem_cost` where they are not the
    /// usual ones.
    #[must_use]
    pub fn firebase_key(mut self, parameters: impl Into<SecretString>) -> Self {
        self.firebase_key = Some(parameters.into());
        self
    }

    fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    fn options(&self) -> Map<String, Value> {
        let mut options = self.options.clone();
        if let Some(pepper) = &self.pepper {
            options.insert("pepper".into(), pepper.expose_secret().into());
        }
        if let Some(key) = &self.firebase_key {
            // What is no JSON the database refuses.
            let key = serde_json::from_str(key.expose_secret()).unwrap_or_default();
            options.insert("firebase".into(), key);
        }
        options
    }
}

#[derive(Serialize)]
struct ImportUserRows<'a> {
    p_source: &'a str,
    p_rows: &'a [SourceRow],
    p_begins: bool,
    p_mapping: &'a Map<String, Value>,
    p_options: Map<String, Value>,
}

impl Client {
    /// Imports rows of another system's users: `registrar.import_user_rows`. One call is one transaction, of up to 10,000 rows; `begins` says
    /// that they are the first of the source. Rows that a call before has done are done no second time, so that an import that was
    /// interrupted is repeated from its beginning.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `validation_failed` where mapping or options cannot be meant, or `internal`, and every
    /// other variant of [`Error`](crate::Error) but `Config`. What is wrong with single rows stands in the report.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn import_user_rows(
        &self,
        import: &UserImport,
        rows: &[SourceRow],
        begins: bool,
    ) -> Result<ImportReport> {
        let parameters = ImportUserRows {
            p_source: &import.source,
            p_rows: rows,
            p_begins: begins,
            p_mapping: &import.mapping,
            p_options: import.options(),
        };
        self.call(Call::new("import_user_rows", &parameters, Repeatable::Always)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_sent_and_no_secret_is_shown() {
        let import = UserImport::of("old").preset("devise").column("full_name", Some("nick".into()));
        assert_eq!((import.mapping.len(), import.options().len()), (2, 0));
        let import =
            import.on_conflict(ConflictPolicy::Merge).pepper("a pepper").firebase_key("{\"signer_key\": \"k3y\"}");
        let options = Value::Object(import.options());
        assert_eq!(options, json!({"on_conflict": "merge", "pepper": "a pepper", "firebase": {"signer_key": "k3y"}}));
        let shown = format!("{import:?}");
        assert!(!shown.contains("a pepper") && !shown.contains("k3y"), "{shown}");
    }
}
