//! Whether what is called registrar is registrar.

use serde::Deserialize;

use super::Database;
use crate::failure::Failure;

/// Schemas of registrar's that belong to nobody who could do as much anyhow.
const PRESENCE: &str = "
SELECT jsonb_build_object(
    'is_installed', EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'registrar'),
    'foreign', (
        SELECT string_agg(format('%I of %I', n.nspname, r.rolname), ', ')
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner
        WHERE n.nspname IN ('registrar', 'registrar_private') AND NOT r.rolsuper
    )
)::text";

#[derive(Deserialize)]
struct Presence {
    is_installed: bool,
    /// What somebody else has made under registrar's names.
    foreign: Option<String>,
}

impl Database {
    /// To be asked before anything of registrar's is called: a function or view that somebody else has put there would be run with the
    /// rights of this connection.
    ///
    /// # Errors
    /// Where the extension is not installed, or a schema of its name is somebody else's.
    pub(crate) async fn require_registrar(&self) -> Result<(), Failure> {
        if self.has_registrar().await? {
            return Ok(());
        }
        let message = "registrar is not installed in this database.".to_owned();
        let hint =
            "Run registrar setup; only to examine the database, CREATE EXTENSION registrar is enough.".to_owned();
        Err(Failure::Unmet { exit_code: 1, code: "not_installed", message, hint })
    }

    /// Whether the extension is installed.
    ///
    /// # Errors
    /// Where a schema of registrar's name is somebody else's.
    pub(crate) async fn has_registrar(&self) -> Result<bool, Failure> {
        let presence: Presence = self.document("The installation cannot be looked for", PRESENCE, &[]).await?;
        let Some(foreign) = presence.foreign else { return Ok(presence.is_installed) };
        Err(Failure::Unmet {
            exit_code: 1,
            code: "foreign_schema",
            message: format!("A schema that should be registrar's is somebody else's: {foreign}."),
            hint: "Find out who made it; then rename or drop it, or have a superuser own it.".to_owned(),
        })
    }
}
