//! Why the database did not do what it was asked to.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::failure::Failure;

/// What was tried, and what came in between.
pub(crate) struct Refusal {
    what: String,
    cause: Cause,
}

enum Cause {
    Postgres(Error),
    TooLate(Duration),
    Unreadable(serde_json::Error),
    Nothing,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Database(Box::new(refusal))
    }
}

impl Refusal {
    pub(super) fn new(what: &str, error: Error) -> Self {
        Self { what: what.to_owned(), cause: Cause::Postgres(error) }
    }

    pub(super) fn too_late(what: &str, after: Duration) -> Self {
        Self { what: what.to_owned(), cause: Cause::TooLate(after) }
    }

    pub(super) fn unreadable(what: &str, error: serde_json::Error) -> Self {
        Self { what: what.to_owned(), cause: Cause::Unreadable(error) }
    }

    pub(super) fn nothing(what: &str) -> Self {
        Self { what: what.to_owned(), cause: Cause::Nothing }
    }

    /// PostgreSQL's own code, where it was PostgreSQL that refused.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        self.postgres().map(|error| error.code().code())
    }

    fn postgres(&self) -> Option<&DbError> {
        match &self.cause {
            Cause::Postgres(error) => error.as_db_error(),
            _ => None,
        }
    }

    pub(crate) fn message(&self) -> String {
        let what = &self.what;
        match (&self.cause, self.postgres()) {
            (_, Some(error)) => format!("{what}: {} ({})", error.message(), error.code().code()),
            (Cause::TooLate(after), _) => format!("{what}: nothing was heard for {after:.0?}"),
            (Cause::Unreadable(_), _) => format!("{what}: the answer is not what this version of registrar expects"),
            (Cause::Nothing, _) => format!("{what}: there was no answer"),
            (Cause::Postgres(_), None) => what.clone(),
        }
    }

    /// The reasons, outermost first.
    pub(crate) fn causes(&self) -> Vec<String> {
        match (&self.cause, self.postgres()) {
            (_, Some(error)) => error.detail().into_iter().flat_map(str::lines).map(str::to_owned).collect(),
            (Cause::Postgres(error), None) => {
                let sources = std::iter::successors(error.source(), |error| (**error).source());
                let mut causes = vec![error.to_string()];
                causes.extend(sources.map(ToString::to_string));
                causes.dedup();
                causes
            }
            (Cause::Unreadable(error), _) => vec![error.to_string()],
            (Cause::TooLate(_) | Cause::Nothing, _) => Vec::new(),
        }
    }

    pub(crate) fn hint(&self) -> &str {
        let Some(error) = self.postgres() else {
            return match &self.cause {
                Cause::Unreadable(_) | Cause::Nothing => {
                    "Check that this program and the extension are of the same version: registrar env check."
                }
                _ => {
                    "Check that the server runs there, and the address, the firewall and sslmode; registrar env check tells what \
                     is set."
                }
            };
        };
        match error.code() {
            // PostgreSQL's own hint on these is about types of arguments.
            &SqlState::INVALID_SCHEMA_NAME | &SqlState::UNDEFINED_FUNCTION | &SqlState::UNDEFINED_TABLE => {
                "Run registrar setup. Where that was done, the extension's files on the server are older than this program."
            }
            _ if error.hint().is_some() => error.hint().unwrap_or_default(),
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                "Check the user and the password, which comes from the URL, PGPASSWORD or ~/.pgpass."
            }
            &SqlState::INVALID_CATALOG_NAME => "Check the name of the database, the last part of the URL.",
            &SqlState::INSUFFICIENT_PRIVILEGE => "Connect as the owner of the database, or as a superuser.",
            &SqlState::LOCK_NOT_AVAILABLE => {
                "Another session holds the table. Try again when the database is less busy."
            }
            &SqlState::TOO_MANY_CONNECTIONS | &SqlState::CANNOT_CONNECT_NOW => "Try again in a moment.",
            _ => "Read what PostgreSQL says; the statement was undone.",
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.sqlstate() {
            Some("28P01" | "28000" | "42501") => 6,
            _ => 1,
        }
    }
}
