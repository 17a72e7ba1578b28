//! `registrar env check`

use chrono::Utc;
use clap::Args;
use registrar_client::{Envelope, Severity};
use serde::Serialize;
use serde_json::json;
use url::{Host, Url};

use super::{key, live};
use crate::context::Context;
use crate::database::DatabaseUrl;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::settings::{
    ANON_KEY, LOG, PGPASSFILE, PGPASSWORD, PGSSLMODE, PGSSLROOTCERT, SERVICE_ROLE_KEY, SUPABASE_URL, Settings,
    TESTING_MODE,
};
use crate::severity_table::{SeverityTable, width};

/// Tell which settings are in force, whether they are good, and what answers there
///
/// Secrets are never shown. The exit code is that of the first thing that is wrong: 2 a setting, 6 a key or password that is
/// refused, 1 a server that does not answer or lacks registrar.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    database: DatabaseUrl,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) finding: String,
    /// What to do, where something is wrong.
    pub(super) hint: Option<String>,
    /// That of the whole, where this is the first thing that is wrong.
    #[serde(skip)]
    pub(super) exit_code: u8,
}

impl Line {
    pub(super) fn new(name: impl Into<String>, severity: Severity, finding: impl Into<String>) -> Self {
        Self { name: name.into(), severity, finding: finding.into(), hint: None, exit_code: 2 }
    }

    /// With what to do about it.
    pub(super) fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }

    /// Something that failed, with its message, cause and hint.
    pub(super) fn failed(name: &str, failure: &Failure) -> Self {
        let finding = [vec![failure.message()], failure.causes()].concat().join(": ");
        Self { exit_code: failure.exit_code(), ..Self::new(name, Severity::Error, finding).hint(failure.hint()) }
    }
}

impl Check {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let mut lines = settings(context.settings);
        let version = env!("CARGO_PKG_VERSION");
        lines.push(Line::new("this program", Severity::Ok, format!("version {version}")));
        let name = self.database.origin();
        match self.database.address(context) {
            Ok(None) => lines.push(Line::new(
                name,
                Severity::Notice,
                "not set; setup, doctor --fix and selftest need it, or --database-url",
            )),
            Ok(Some(address)) => {
                let origin = context.settings.origin(name);
                let origin = origin.map_or(String::new(), |origin| format!(", from {origin}"));
                lines.push(Line::new(name, Severity::Ok, format!("{address}{origin}")));
                lines.extend(live::database(&address, context.timeout()).await);
            }
            Err(failure) => lines.push(Line::failed(name, &failure)),
        }
        if context.settings.names_an_api() {
            lines.extend(live::api(context).await);
        }
        report(context.format(), &lines)
    }
}

/// What can be said of the settings without asking anybody.
fn settings(settings: &Settings) -> Vec<Line> {
    let mut lines = vec![env_file(settings), address(settings)];
    lines
        .extend([(SERVICE_ROLE_KEY, "service_role"), (ANON_KEY, "anon")].map(|(name, role)| key(settings, name, role)));
    for name in [PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT, TESTING_MODE, LOG] {
        let (Some(value), Some(origin)) = (settings.get(name), settings.origin(name)) else { continue };
        let shown = if name == PGPASSWORD { "set" } else { value };
        lines.push(Line::new(name, Severity::Ok, format!("{shown}, from {origin}")));
    }
    lines
}

fn env_file(settings: &Settings) -> Line {
    let directory = std::env::current_dir().unwrap_or_default();
    let file = directory.ancestors().map(|directory| directory.join(".env")).find(|file| file.is_file());
    match (file, settings.unreadable_lines()) {
        (None, _) => Line::new(".env", Severity::Notice, "there is none, here or above"),
        (Some(file), 0) => Line::new(".env", Severity::Ok, file.display().to_string()),
        (Some(file), lines) => {
            Line::new(".env", Severity::Warning, format!("{}: lines that could not be read: {lines}", file.display()))
                .hint("Write each line as NAME=value; a value with spaces or # stands in quotes.")
        }
    }
}

fn address(settings: &Settings) -> Line {
    let (name, address) = match settings.address() {
        Ok(found) => found,
        Err(failure) => return Line::failed(SUPABASE_URL, &failure),
    };
    let origin = settings.origin(name).map_or(String::new(), |origin| format!(", from {origin}"));
    // The builder's own rules, which the first call would meet.
    let builder = registrar_client::Client::builder();
    if let Err(failure) = settings.build_with_key(builder, SERVICE_ROLE_KEY, "a-key") {
        return Line::failed(name, &failure);
    }
    let line = Line::new(name, Severity::Ok, format!("{address}{origin}"));
    match Url::parse(address) {
        Ok(url) if url.scheme() == "http" && !is_local(&url) => {
            let finding = format!("{address}{origin}: the key and the users' data are sent unencrypted");
            Line { severity: Severity::Warning, finding, ..line }.hint("Use https, unless the network is your own.")
        }
        _ => line,
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn key(settings: &Settings, name: &str, role: &str) -> Line {
    let (Some(key), Some(origin)) = (settings.get(name), settings.origin(name)) else {
        return match role {
            "anon" => Line::new(name, Severity::Notice, "not set; only selftest uses it"),
            _ => Line::new(name, Severity::Error, "not set").hint("Set it in the environment or in .env."),
        };
    };
    let (severity, told) = key::judge(key, role, Utc::now());
    let line = Line::new(name, severity, format!("{told}, from {origin}"));
    match severity {
        Severity::Ok => line,
        _ => line.hint("Set the project's own key; when self-hosting, a JWT signed with the gateway's secret."),
    }
}

fn report(format: Format, lines: &[Line]) -> Result<(), Failure> {
    if format == Format::Table {
        let mut table = SeverityTable::new(["severity", "setting", "finding"], width());
        for line in lines {
            table.add(line.severity, [&line.name, &line.finding]);
        }
        output::write(&table.to_string())?;
        for line in lines.iter().filter(|line| line.severity > Severity::Notice) {
            if let Some(hint) = &line.hint {
                output::write(&format!("{}: {}\n", line.name, output::printable(hint)))?;
            }
        }
    }
    let data = json!({"checks": lines});
    let errors: Vec<_> = lines.iter().filter(|line| line.severity >= Severity::Error).collect();
    let Some(first) = errors.first() else {
        let message = "The settings are good.";
        return match format {
            Format::Json => output::print_json(&Envelope::success(message, data)),
            Format::Table => output::write(&format!("{message}\n")),
        };
    };
    let detail =
        |line: &&Line| json!({"field": line.name, "code": "environment", "message": line.finding, "hint": line.hint});
    Err(Failure::Examination {
        exit_code: first.exit_code,
        message: format!("{}: {}", first.name, first.finding),
        hint: first.hint.clone().unwrap_or_else(|| "Correct it in the environment or in .env.".to_owned()),
        details: errors.iter().map(detail).collect(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::POSTGREST_URL;

    fn address_line(url: &str) -> Line {
        address(&Settings::of_environment(&[(POSTGREST_URL, url)]))
    }

    #[test]
    fn an_address_is_looked_at_as_the_first_call_would() {
        for (url, severity) in [
            ("http://localhost:3000", Severity::Ok),
            ("http://[::1]:3000", Severity::Ok),
            ("https://api.example.com", Severity::Ok),
            ("http://api.example.com", Severity::Warning),
            ("localhost:3000", Severity::Error),
        ] {
            let line = address_line(url);
            assert_eq!((line.severity, line.name.as_str()), (severity, POSTGREST_URL), "{line:?}");
        }
        let unset = address(&Settings::of_environment(&[]));
        assert!(unset.severity == Severity::Error && unset.exit_code == 2, "{unset:?}");
    }

    #[test]
    fn a_secret_is_set_and_not_shown() {
        let lines = settings(&Settings::of_environment(&[
            (POSTGREST_URL, "http://localhost"),
            (SERVICE_ROLE_KEY, "a.very-secret.key"),
            (PGPASSWORD, "very-secret"),
            (PGSSLMODE, "require"),
        ]));
        let told: Vec<_> = lines.iter().map(|line| format!("{}: {}", line.name, line.finding)).collect();
        assert!(told.iter().any(|line| line == "PGPASSWORD: set, from the environment"), "{told:?}");
        assert!(told.iter().any(|line| line == "PGSSLMODE: require, from the environment"), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("very-secret")), "{told:?}");
    }
}
