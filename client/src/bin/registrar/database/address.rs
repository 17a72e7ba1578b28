//! Which database, as whom, and how the connection is protected.

use std::fmt;
use std::path::PathBuf;

use registrar_client::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

use super::password_file::{self, Account};
use super::tls::Trust;
use crate::failure::Failure;
use crate::settings::{PGPASSFILE, PGPASSWORD, PGSSLMODE, PGSSLROOTCERT, Settings};

/// Where a connection leads; its `Display` shows no password.
pub(crate) struct Address {
    config: Config,
    trust: Trust,
    shown: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Reads a URL. What it leaves out comes from libpq's variables and `~/.pgpass`; `origin` names it where it is wrong.
    pub(crate) fn parse(origin: &str, url: &SecretString, settings: &Settings) -> Result<Self, Failure> {
        let malformed = |message: String| {
            Failure::usage(
                format!("{origin}: {message}"),
                "It looks like postgresql://user@host:5432/database?sslmode=require; characters like @ : / ? in a name or password \
                 are percent-encoded.",
            )
        };
        let Parts { url, ssl_mode, root_certificate } = split(url.expose_secret().trim()).map_err(malformed)?;
        // What the parser says may quote the URL, and so the password.
        let mut config: Config = url.parse().map_err(|_| malformed("It is not the URL of a database.".to_owned()))?;
        let Some(host) = config.get_hosts().first().cloned() else {
            return Err(malformed("It names no host.".to_owned()));
        };
        let Some(user) = config.get_user().map(str::to_owned) else {
            return Err(malformed("It names no user.".to_owned()));
        };
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let ssl_mode = ssl_mode.or_else(|| settings.get(PGSSLMODE).map(str::to_owned));
        let root_certificate = root_certificate.or_else(|| settings.get(PGSSLROOTCERT).map(str::to_owned));
        let (mode, trust) = protection(ssl_mode.as_deref(), root_certificate.as_deref()).map_err(malformed)?;

        let host_name = match &host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        if config.get_password().is_none() {
            // libpq, too, looks for a socket under this name.
            let host = if let Host::Unix(_) = host { "localhost" } else { &host_name };
            let account = Account { host, port, database: &database, user: &user };
            if let Some(password) = password(settings, &account) {
                config.password(password);
            }
        }
        config.dbname(&database).application_name("registrar-cli");
        // A socket of this machine has no TLS.
        config.ssl_mode(if let Host::Unix(_) = host { SslMode::Disable } else { mode });
        Ok(Self { config, trust, shown: format!("{user}@{host_name}:{port}/{database}") })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> Result<MakeRustlsConnect, Failure> {
        self.trust.connector()
    }
}

/// A URL, and what of it is not the driver's business.
#[derive(Default)]
struct Parts {
    url: String,
    ssl_mode: Option<String>,
    root_certificate: Option<String>,
}

/// Options of the URL that the driver knows.
const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

fn split(url: &str) -> Result<Parts, String> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err("It does not begin with postgresql://.".to_owned());
    }
    // As the driver does: what stands before the first @ is user and password.
    let after_user = url.find('@').map_or(0, |at| at + 1);
    let Some(question_mark) = url[after_user..].find('?').map(|place| after_user + place) else {
        return Ok(Parts { url: url.to_owned(), ..Parts::default() });
    };
    let (mut parts, mut kept) = (Parts::default(), Vec::new());
    for option in url[question_mark + 1..].split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "sslmode" => parts.ssl_mode = Some(decoded(value)),
            "sslrootcert" => parts.root_certificate = Some(decoded(value)),
            name if KNOWN.contains(&name) => kept.push(option),
            // A name of another kind may be a piece of a password.
            name if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                return Err(format!("The option {name} is not supported."));
            }
            _ => return Err("It has an option that is not supported.".to_owned()),
        }
    }
    parts.url = match kept.is_empty() {
        true => url[..question_mark].to_owned(),
        false => format!("{}?{}", &url[..question_mark], kept.join("&")),
    };
    Ok(parts)
}

/// Only a form writes a space as `+`.
fn decoded(value: &str) -> String {
    let form = format!("={}", value.replace('+', "%2B"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What libpq takes `sslmode` and `sslrootcert` for.
fn protection(ssl_mode: Option<&str>, root_certificate: Option<&str>) -> Result<(SslMode, Trust), String> {
    let file = root_certificate.filter(|file| *file != "system").map(PathBuf::from);
    let is_system = root_certificate == Some("system");
    match (ssl_mode.unwrap_or("prefer"), file) {
        ("disable", _) => Ok((SslMode::Disable, Trust::Anybody)),
        ("allow" | "prefer" | "require" | "verify-ca", _) if is_system => {
            Err("sslrootcert=system goes with sslmode=verify-full only.".to_owned())
        }
        ("allow" | "prefer", _) => Ok((SslMode::Prefer, Trust::Anybody)),
        ("require", None) => Ok((SslMode::Require, Trust::Anybody)),
        ("require" | "verify-ca", Some(file)) => Ok((SslMode::Require, Trust::Issuer(file))),
        ("verify-full", Some(file)) => Ok((SslMode::Require, Trust::IssuerAndName(file))),
        ("verify-ca" | "verify-full", None) => Ok((SslMode::Require, Trust::System)),
        _ => Err("sslmode is not one of disable, prefer, require, verify-ca, verify-full.".to_owned()),
    }
}

fn password(settings: &Settings, account: &Account<'_>) -> Option<String> {
    if let Some(password) = settings.get(PGPASSWORD) {
        return Some(password.to_owned());
    }
    let path = settings.get(PGPASSFILE).map(PathBuf::from).or_else(password_file::usual)?;
    password_file::find(&path, account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, variables: &[(&str, &str)]) -> Result<Address, String> {
        let parsed = Address::parse("DATABASE_URL", &url.into(), &Settings::of_environment(variables));
        parsed.map_err(|failure| failure.message())
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgresql://owner:secret@db.example.com:6543/app", "owner@db.example.com:6543/app"),
            ("postgres://owner@localhost", "owner@localhost:5432/owner"),
            ("postgres://owner@[::1]:5433/app?application_name=x&sslmode=disable", "owner@::1:5433/app"),
            ("postgres://owner@%2Ftmp/app", "owner@/tmp:5432/app"),
        ] {
            assert_eq!(parse(url, &[]).unwrap().to_string(), shown, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_and_not_repeated() {
        for (url, reason) in [
            ("", "does not begin"),
            ("mysql://owner:secret@localhost/app?x=y", "does not begin"),
            ("postgresql://", "names no host"),
            ("postgresql://localhost/app", "names no user"),
            ("postgresql://owner:secret@localhost:port/app", "not the URL of a database"),
            ("postgresql://owner:se@cret?secret=1@localhost/app", "option secret is not supported"),
            ("postgresql://owner:se@cret?SECRET%20=1@localhost/app", "an option that is not supported"),
            ("postgresql://owner@localhost/app?sslmode=maybe", "sslmode is not one of"),
            ("postgresql://owner@localhost/app?sslmode=require&sslrootcert=system", "verify-full only"),
        ] {
            let message = parse(url, &[]).err().unwrap_or_else(|| panic!("{url}"));
            assert!(message.starts_with("DATABASE_URL: ") && message.contains(reason), "{url}: {message}");
            assert!(!message.contains("cret@") && !message.contains("SECRET"), "{message}");
        }
    }

    #[test]
    fn the_protection_is_what_libpq_makes_of_it() {
        let protection_of = |options: &str, variables: &[(&str, &str)]| {
            let address = parse(&format!("postgresql://owner@db.example.com/app?{options}"), variables).unwrap();
            (address.config.get_ssl_mode(), address.trust)
        };
        let file = || PathBuf::from("/a b/ca.pem");
        for (options, variables, expected) in [
            ("", &[][..], (SslMode::Prefer, Trust::Anybody)),
            ("sslmode=disable", &[], (SslMode::Disable, Trust::Anybody)),
            ("sslmode=require", &[(PGSSLMODE, "disable")], (SslMode::Require, Trust::Anybody)),
            ("", &[(PGSSLMODE, "verify-full")], (SslMode::Require, Trust::System)),
            ("sslmode=verify-full&sslrootcert=system", &[], (SslMode::Require, Trust::System)),
            ("sslmode=require&sslrootcert=/a%20b/ca.pem", &[], (SslMode::Require, Trust::Issuer(file()))),
            ("sslmode=verify-ca", &[(PGSSLROOTCERT, "/a b/ca.pem")], (SslMode::Require, Trust::Issuer(file()))),
            (
                "sslmode=verify-full",
                &[(PGSSLROOTCERT, "/a b/ca.pem")],
                (SslMode::Require, Trust::IssuerAndName(file())),
            ),
        ] {
            assert_eq!(protection_of(options, variables), expected, "{options}");
        }
        let socket = parse("postgresql://owner@%2Ftmp/app?sslmode=require", &[]).unwrap();
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn the_password_comes_from_the_url_the_variable_or_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "localhost:5432:app:owner:from-file\n").unwrap();
        let path = file.path().to_str().unwrap();
        let password_of = |url: &str, variables: &[(&str, &str)]| {
            parse(url, variables).unwrap().config.get_password().map(|word| String::from_utf8_lossy(word).into_owned())
        };
        let both = &[(PGPASSWORD, "from-variable"), (PGPASSFILE, path)];
        let url = "postgresql://owner@localhost/app";
        assert_eq!(password_of("postgresql://owner:from-url@localhost/app", both).as_deref(), Some("from-url"));
        assert_eq!(password_of(url, both).as_deref(), Some("from-variable"));
        assert_eq!(password_of(url, &both[1..]).as_deref(), Some("from-file"));
        assert_eq!(password_of("postgresql://owner@%2Ftmp/app", &both[1..]).as_deref(), Some("from-file"));
        assert_eq!(password_of("postgresql://owner@localhost/other", &both[1..]), None);
    }
}
