//! What the commands on profiles print when they are done.

use registrar_client::UserProfile;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// The JSON document of a success. That of a failure has the same members and more.
#[derive(Serialize)]
struct Document<'a, T> {
    success: bool,
    message: &'a str,
    user_id: Option<Uuid>,
    profile_id: Option<&'a Value>,
    error_details: Option<()>,
    data: T,
}

/// Prints one user's profile.
pub(crate) fn print_profile(format: Format, message: &str, found: &UserProfile) -> Result<(), Failure> {
    let rows = Rows::default().with("user id", found.user_id).profile(Some(&found.profile));
    print(format, message, (Some(found.user_id), Some(&found.profile_id)), found, rows)
}

/// Prints what is known of one user.
pub(crate) fn print_of_user(
    format: Format,
    message: &str,
    user_id: Uuid,
    data: impl Serialize,
    rows: Rows,
) -> Result<(), Failure> {
    print(format, message, (Some(user_id), None), data, rows)
}

/// Prints what is known of a whole table.
pub(crate) fn print_of_table(format: Format, message: &str, data: impl Serialize, rows: Rows) -> Result<(), Failure> {
    print(format, message, (None, None), data, rows)
}

fn print(
    format: Format,
    message: &str,
    (user_id, profile_id): (Option<Uuid>, Option<&Value>),
    data: impl Serialize,
    rows: Rows,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            output::print_json(&Document { success: true, message, user_id, profile_id, error_details: None, data })
        }
        Format::Table => output::print_table(message, rows),
    }
}

/// How a command ended that did the same for many items.
pub(crate) struct Ending {
    pub(crate) message: String,
    /// The counts, for programs.
    pub(crate) data: Value,
    /// The counts, for people.
    pub(crate) rows: Rows,
    pub(crate) failed: u64,
    /// What to do about those that failed.
    pub(crate) hint: &'static str,
    /// The first of those that failed.
    pub(crate) details: Vec<Value>,
}

impl Ending {
    /// Prints the counts in any case. One item that failed makes the whole a failure, so that a script sees it.
    pub(crate) fn report(self, format: Format) -> Result<(), Failure> {
        let Self { message, data, rows, failed, hint, details } = self;
        if failed == 0 {
            return print_of_table(format, &message, data, rows);
        }
        if format == Format::Table {
            output::print_table(&message, rows)?;
        }
        let message = format!("{message} {failed} failed.");
        Err(Failure::Items { message, hint, details, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_success_has_the_documented_members() {
        let (user_id, id) = (Uuid::from_u128(7), json!(12));
        let document = Document {
            success: true,
            message: "Done.",
            user_id: Some(user_id),
            profile_id: Some(&id),
            error_details: None,
            data: json!({"a": 1}),
        };
        let expected = json!({"success": true, "message": "Done.", "user_id": user_id, "profile_id": 12,
                              "error_details": null, "data": {"a": 1}});
        assert_eq!(json!(document), expected);
    }

    #[test]
    fn one_failed_item_is_a_failure_of_the_whole() {
        let ending = |failed| Ending {
            message: "Imported 2 profiles.".into(),
            data: json!({"failed": failed}),
            rows: Rows::default(),
            failed,
            hint: "Look.",
            details: vec![],
        };
        assert!(ending(0).report(Format::Json).is_ok());
        let Err(Failure::Items { message, data, .. }) = ending(1).report(Format::Json) else { panic!() };
        assert_eq!((message.as_str(), data), ("Imported 2 profiles. 1 failed.", json!({"failed": 1})));
    }
}
