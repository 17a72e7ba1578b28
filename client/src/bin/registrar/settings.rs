//! Where the server is and with which key it is called: the environment, then `.env`.

use std::collections::HashMap;
use std::fmt;

use registrar_client::{Client, ClientBuilder, Error};
use tracing::level_filters::LevelFilter;

use crate::failure::Failure;

pub(crate) const SUPABASE_URL: &str = "SUPABASE_URL";
pub(crate) const POSTGREST_URL: &str = "POSTGREST_URL";
pub(crate) const SERVICE_ROLE_KEY: &str = "SUPABASE_SERVICE_ROLE_KEY";
pub(crate) const ANON_KEY: &str = "SUPABASE_ANON_KEY";
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";
pub(crate) const PGPASSWORD: &str = "PGPASSWORD";
pub(crate) const PGPASSFILE: &str = "PGPASSFILE";
pub(crate) const PGSSLMODE: &str = "PGSSLMODE";
pub(crate) const PGSSLROOTCERT: &str = "PGSSLROOTCERT";
pub(crate) const TESTING_MODE: &str = "TESTING_MODE";
pub(crate) const LOG: &str = "REGISTRAR_LOG";

/// Every variable that is read.
pub(crate) const NAMES: &[&str] = &[
    SUPABASE_URL,
    POSTGREST_URL,
    SERVICE_ROLE_KEY,
    ANON_KEY,
    DATABASE_URL,
    PGPASSWORD,
    PGPASSFILE,
    PGSSLMODE,
    PGSSLROOTCERT,
    TESTING_MODE,
    LOG,
];

/// One place that settings come from.
type Source = HashMap<String, String>;

/// Which place a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Environment,
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "the environment",
            Self::File => ".env",
        })
    }
}

/// The settings of this run. An empty value is the same as none.
pub(crate) struct Settings {
    environment: Source,
    file: Source,
    unreadable_lines: usize,
}

impl Settings {
    pub(crate) fn load() -> Self {
        let environment = NAMES
            .iter()
            .filter_map(|&name| Some((name.to_owned(), std::env::var_os(name)?.to_string_lossy().into_owned())))
            .collect();
        let mut settings = Self { environment, file: Source::new(), unreadable_lines: 0 };
        // No file is the normal case. A line that cannot be read may be another program's business, and quoting it could
        // show a secret: it is only counted.
        for line in dotenvy::dotenv_iter().into_iter().flatten() {
            match line {
                Ok((name, value)) => drop(settings.file.insert(name, value)),
                Err(_) => settings.unreadable_lines += 1,
            }
        }
        settings
    }

    /// From which level on logs are shown: none unless asked for, since a failure is told anyhow.
    pub(crate) fn log_level(&self, verbose: bool) -> Result<LevelFilter, Failure> {
        match self.get(LOG) {
            _ if verbose || self.testing_mode() => Ok(LevelFilter::DEBUG),
            None => Ok(LevelFilter::OFF),
            Some(name) => name.parse().map_err(|_| malformed(LOG, "It is not one of error, warn, info, debug, off.")),
        }
    }

    fn testing_mode(&self) -> bool {
        self.get(TESTING_MODE).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The client with address and key set.
    pub(crate) fn build(&self, builder: ClientBuilder) -> Result<Client, Failure> {
        let key = self.get(SERVICE_ROLE_KEY).ok_or_else(|| {
            self.missing(format!("{SERVICE_ROLE_KEY} is not set."), "Set it in the environment or in .env.")
        })?;
        self.build_with_key(builder, SERVICE_ROLE_KEY, key)
    }

    /// The client with the address set and this key, which comes from the variable of that name.
    pub(crate) fn build_with_key(&self, builder: ClientBuilder, key_name: &str, key: &str) -> Result<Client, Failure> {
        let (name, address) = self.address()?;
        let builder = if name == SUPABASE_URL { builder.url(address) } else { builder.postgrest_url(address) };
        builder.service_role_key(key).build().map_err(|error| match error {
            Error::Config { setting: "service_role_key", message } => malformed(key_name, &message),
            Error::Config { setting: "url" | "postgrest_url", message } => malformed(name, &message),
            other => other.into(),
        })
    }

    /// Whether the API can be called: there is an address, and the key of the back end.
    pub(crate) fn names_an_api(&self) -> bool {
        self.get(SERVICE_ROLE_KEY).is_some()
            && [SUPABASE_URL, POSTGREST_URL].iter().any(|name| self.get(name).is_some())
    }

    /// The name and value of the address. The source that names one first counts, so that a variable overrides a `.env` that
    /// has the other one.
    pub(crate) fn address(&self) -> Result<(&'static str, &str), Failure> {
        for source in [&self.environment, &self.file] {
            match (lookup(source, SUPABASE_URL), lookup(source, POSTGREST_URL)) {
                (Some(project), None) => return Ok((SUPABASE_URL, project)),
                (None, Some(address)) => return Ok((POSTGREST_URL, address)),
                (None, None) => {}
                (Some(_), Some(_)) => {
                    return Err(Failure::usage(
                        format!("Both {SUPABASE_URL} and {POSTGREST_URL} are set."),
                        "Keep the first for a Supabase project, or the second for a bare PostgREST.",
                    ));
                }
            }
        }
        Err(self.missing(
            format!("Neither {SUPABASE_URL} nor {POSTGREST_URL} is set."),
            "Set one of them in the environment or in .env: SUPABASE_URL for a Supabase project, POSTGREST_URL for a bare \
             PostgREST.",
        ))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        lookup(&self.environment, name).or_else(|| lookup(&self.file, name))
    }

    /// Where the value of a setting that is set comes from.
    pub(crate) fn origin(&self, name: &str) -> Option<Origin> {
        let in_environment = lookup(&self.environment, name).map(|_| Origin::Environment);
        in_environment.or_else(|| lookup(&self.file, name).map(|_| Origin::File))
    }

    /// How many lines of `.env` could not be read.
    pub(crate) fn unreadable_lines(&self) -> usize {
        self.unreadable_lines
    }

    fn missing(&self, mut message: String, hint: &'static str) -> Failure {
        match self.unreadable_lines {
            0 => {}
            1 => message.push_str(" One line of .env could not be read."),
            several => message.push_str(&format!(" {several} lines of .env could not be read.")),
        }
        Failure::usage(message, hint)
    }
}

fn malformed(name: &str, message: &str) -> Failure {
    Failure::usage(format!("{name}: {message}"), "Correct it in the environment or in .env.")
}

fn lookup<'a>(source: &'a Source, name: &str) -> Option<&'a str> {
    source.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
impl Settings {
    /// Settings as if these variables were the whole environment.
    pub(crate) fn of_environment(variables: &[(&str, &str)]) -> Self {
        let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { environment, file: Source::new(), unreadable_lines: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: &[(&str, &str)], file: &[(&str, &str)]) -> Settings {
        let source = |pairs: &[(&str, &str)]| pairs.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        Settings { environment: source(environment), file: source(file), unreadable_lines: 0 }
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let both = settings(&[(POSTGREST_URL, "http://a")], &[(SUPABASE_URL, "http://b"), (SERVICE_ROLE_KEY, "key")]);
        assert_eq!(both.address().ok(), Some((POSTGREST_URL, "http://a")));
        assert_eq!(both.get(SERVICE_ROLE_KEY), Some("key"));
        assert_eq!(both.origin(SERVICE_ROLE_KEY), Some(Origin::File));
        assert_eq!((both.origin(POSTGREST_URL), both.origin(LOG)), (Some(Origin::Environment), None));
        let empty = settings(&[(POSTGREST_URL, "")], &[(SUPABASE_URL, "http://b")]);
        assert_eq!(empty.address().ok(), Some((SUPABASE_URL, "http://b")));
    }

    #[test]
    fn two_addresses_in_one_place_are_a_contradiction() {
        let addresses = [(POSTGREST_URL, "http://a"), (SUPABASE_URL, "http://b")];
        assert!(settings(&addresses, &[]).address().is_err());
        assert!(settings(&[], &addresses).address().is_err());
    }

    #[test]
    fn testing_mode_is_true_or_one() {
        for (value, on) in [("true", true), ("TRUE", true), ("1", true), ("false", false), ("0", false), ("", false)] {
            assert_eq!(settings(&[(TESTING_MODE, value)], &[]).testing_mode(), on, "{value:?}");
        }
    }

    #[test]
    fn logs_are_shown_where_they_are_asked_for() {
        let level = |environment: &[_], verbose| settings(environment, &[]).log_level(verbose).ok();
        assert_eq!(level(&[], false), Some(LevelFilter::OFF));
        assert_eq!(level(&[(LOG, "warn")], false), Some(LevelFilter::WARN));
        assert_eq!(level(&[(LOG, "warn")], true), Some(LevelFilter::DEBUG));
        assert_eq!(level(&[(LOG, "loud"), (TESTING_MODE, "1")], false), Some(LevelFilter::DEBUG));
        assert_eq!(level(&[(LOG, "loud")], false), None);
    }
}
