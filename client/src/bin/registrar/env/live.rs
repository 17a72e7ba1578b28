//! What answers at the addresses that are set.

use std::time::Duration;

use registrar_client::{BuildInfo, Error, Retry, Severity};
use serde::Deserialize;

use super::check::Line;
use crate::context::Context;
use crate::database::{Address, Database};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const API: &str = "API";
const SCHEMA: &str = "schema registrar";
const DATABASE: &str = "database";
const EXTENSION: &str = "extension in the database";

const INSTALLED: &str = "
SELECT json_build_object(
    'server', current_setting('server_version'),
    'role', current_user,
    'is_superuser', (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user),
    'tls', (SELECT s.version FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_backend_pid() AND s.ssl),
    'installed', (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'registrar'),
    'available', (SELECT a.default_version FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'registrar')
)::text";

#[derive(Deserialize)]
struct Installed {
    server: String,
    role: String,
    is_superuser: bool,
    /// The version of the protocol, where the connection is encrypted.
    tls: Option<String>,
    installed: Option<String>,
    available: Option<String>,
}

/// Whether the API answers, takes the key, serves registrar, and in which version.
pub(super) async fn api(context: &Context<'_>) -> Vec<Line> {
    // Once: whoever looks at the settings wants to know how it is now.
    let builder = context.client_builder().retry(Retry::none());
    let client = match context.settings.build(builder) {
        Ok(client) => client,
        // Told of with the setting that it is about.
        Err(_) => return Vec::new(),
    };
    let answers = || Line::new(API, Severity::Ok, format!("{} answers", client.base()));
    match client.build_info().await {
        Ok(BuildInfo { version, postgres, .. }) => {
            vec![
                answers(),
                Line::new(SCHEMA, Severity::Ok, "served"),
                extension("extension behind the API", &version, &format!(" for PostgreSQL {postgres}")),
            ]
        }
        Err(error @ Error::NotExposed { .. }) => vec![answers(), Line::failed(SCHEMA, &error.into())],
        Err(error) => vec![Line::failed(API, &error.into())],
    }
}

/// Whether the database takes the user, and has registrar.
pub(super) async fn database(address: &Address, timeout: Duration) -> Vec<Line> {
    let what = "The database does not tell of itself";
    let found = async {
        let database = Database::connect(address, timeout).await?;
        database.document::<Installed>(what, INSTALLED, &[]).await
    };
    let Installed { server, role, is_superuser, tls, installed, available } = match found.await {
        Ok(found) => found,
        Err(failure) => return vec![Line::failed(DATABASE, &failure)],
    };
    let rights = if is_superuser { "superuser" } else { "no superuser" };
    let encryption = tls.as_deref().unwrap_or("not encrypted");
    let connected = format!("PostgreSQL {server}, role {role} ({rights}), {encryption}");
    let connected = Line::new(DATABASE, Severity::Ok, connected);
    let extension = match (installed, available) {
        (Some(version), _) => extension(EXTENSION, &version, ""),
        (None, Some(_)) => Line::new(EXTENSION, Severity::Warning, "not installed").hint("Run registrar setup."),
        (None, None) => Line::new(EXTENSION, Severity::Warning, "not on the database server")
            .hint("Build and copy it there, as docs/install.md says; then run registrar setup."),
    };
    vec![connected, extension]
}

fn extension(name: &str, version: &str, target: &str) -> Line {
    let line = Line::new(name, Severity::Ok, format!("version {version}{target}"));
    if version == VERSION {
        return line;
    }
    let finding = format!("version {version}{target}, and this program is {VERSION}");
    Line { severity: Severity::Warning, finding, ..line }
        .hint("Update the older one; registrar setup updates the extension.")
}
