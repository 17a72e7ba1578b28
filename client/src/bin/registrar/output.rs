//! How a result is printed.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use registrar_client::{Envelope, Session, UserSummary, Verification};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::failure::Failure;

/// The shape of what stands on stdout.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// One JSON document on one line
    Json,
}

/// The members of the JSON document that a failed command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Those of registrar's envelope.
    Envelope,
    /// With them, those of the commands on profiles; the user is the one whom the command names, if it names one.
    Profile { user_id: Option<Uuid> },
}

/// Rows of a name and a value.
#[derive(Default)]
pub(crate) struct Rows(Vec<(String, String)>);

impl Rows {
    pub(crate) fn user(mut self, user: &UserSummary) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.push("user id", user.id);
        self.push("email", text(&user.email));
        self.push("phone", text(&user.phone));
        self.push("role", text(&user.role));
        self.push("email confirmed at", user.email_confirmed_at.map(|time| time.to_rfc3339()).unwrap_or_default());
        self.push("created at", user.created_at.to_rfc3339());
        self.push("updated at", user.updated_at.to_rfc3339());
        self
    }

    pub(crate) fn session(self, session: &Session) -> Self {
        self.with("session id", session.id)
            .with("device", session.device_name.as_deref().unwrap_or_default())
            .with("signed in at", session.created_at.to_rfc3339())
            .with("session ends at", session.expires_at.to_rfc3339())
    }

    /// One row for each column of the profile.
    pub(crate) fn profile(mut self, profile: Option<&Value>) -> Self {
        match profile {
            None => self.push("profile", "none"),
            Some(Value::Object(columns)) => {
                for (column, value) in columns {
                    self.push(&format!("profile {column}"), plain(value));
                }
            }
            Some(other) => self.push("profile", other),
        }
        self
    }

    pub(crate) fn verification(mut self, verification: &Verification) -> Self {
        self.push("token", &verification.token);
        self.push("token expires at", verification.expires_at.to_rfc3339());
        self
    }

    /// One more row.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.push(name, value);
        self
    }

    fn push(&mut self, name: &str, value: impl ToString) {
        self.0.push((printable(name), printable(&value.to_string())));
    }
}

/// Prints a success.
pub(crate) fn print<T: Serialize>(format: Format, message: &'static str, data: T, rows: Rows) -> Result<(), Failure> {
    match format {
        Format::Json => print_json(&Envelope::success(message, data)),
        Format::Table => print_table(message, rows),
    }
}

pub(crate) fn print_table(message: &str, rows: Rows) -> Result<(), Failure> {
    // Cells are never wrapped, so that a token can be copied in one piece.
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    for (name, value) in rows.0 {
        table.add_row([name, value]);
    }
    write(&format!("{message}\n{table}\n"))
}

pub(crate) fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(document).expect("an envelope is JSON");
    write(&format!("{json}\n"))
}

/// Writes to stdout. A reader that has gone away has read what it wanted.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(Failure::Io { what: "The result cannot be written", source }),
        Ok(()) => Ok(()),
    }
}

/// The text without what would steer a terminal: names and messages come from elsewhere.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Whether a character moves the cursor or turns the direction of what follows (UAX #9), so that a line shows something else than it holds.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// A value as people read it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_profile_is_a_row_for_each_column() {
        let profile = json!({"full_name": "Full Name", "phone": null, "tags": ["a"]});
        let rows = Rows::default().profile(Some(&profile)).0;
        let expected = [("profile full_name", "Full Name"), ("profile phone", ""), ("profile tags", "[\"a\"]")];
        assert_eq!(rows, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nü"), "a\\u{1b}[31m\\nü");
        assert_eq!(printable("phone\u{202e}enohp"), "phone\\u{202e}enohp", "nor is the direction turned");
    }
}
