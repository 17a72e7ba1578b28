//! How a failure is told: on stderr for people, as JSON for programs, as exit code for scripts.

use std::io::{self, Write};
use std::process::ExitCode;

use registrar_client::{Error, ErrorCode};
use serde_json::{Value, json};

use crate::database::Refusal;
use crate::output::{self, Format, Shape, printable};

/// Why a command failed.
pub(crate) enum Failure {
    /// The command cannot be carried out as it was given.
    Usage { message: String, hint: &'static str },
    /// The call failed.
    Call(Error),
    /// Standard input, or standard output other than a closed pipe.
    Io { what: &'static str, source: io::Error },
    /// A file that was named.
    File { what: String, source: io::Error },
    /// The database, which was asked without the API between.
    Database(Box<Refusal>),
    /// Some items failed, and have been told of one by one; the others are done.
    Items { message: String, hint: &'static str, details: Vec<Value>, data: Value },
    /// Something that must be so is not so.
    Unmet { exit_code: u8, code: &'static str, message: String, hint: String },
    /// An examination or a series of steps, told of in full, did not end well.
    Examination { exit_code: u8, message: String, hint: String, details: Vec<Value>, data: Value },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Usage { message: message.into(), hint }
    }

    /// Tells of the failure and gives the exit code. That stderr or stdout is closed changes neither.
    pub(crate) fn report(&self, format: Format, shape: Shape) -> ExitCode {
        let _ = io::stderr().write_all(self.text().as_bytes());
        if format == Format::Json {
            let _ = output::print_json(&self.json(shape));
        }
        ExitCode::from(self.exit_code())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unmet { exit_code, .. } | Self::Examination { exit_code, .. } => *exit_code,
            Self::Database(refusal) => refusal.exit_code(),
            Self::Usage { .. } | Self::Call(Error::Config { .. }) => 2,
            Self::Call(Error::Api { code, .. }) => exit_code_of(*code),
            Self::Call(Error::Unauthorized { .. } | Error::Forbidden { .. }) => 6,
            Self::Call(_) | Self::Io { .. } | Self::File { .. } | Self::Items { .. } => 1,
        }
    }

    /// What is told on stderr, line by line.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("error: {}", self.message())];
        if let Self::Call(Error::Api { errors, .. }) = self {
            for error in errors {
                let field = error.field.as_ref().map_or(String::new(), |field| format!("{field}: "));
                lines.push(format!("  {field}{} ({})", error.message, error.code));
                lines.extend(error.hint.as_ref().map(|hint| format!("    what to do: {hint}")));
            }
        }
        lines.extend(self.causes().into_iter().map(|cause| format!("  caused by: {cause}")));
        if !lines.iter().any(|line| line.contains("what to do: ")) {
            lines.push(format!("  what to do: {}", self.hint()));
        }
        if let Self::Call(error) = self {
            lines.extend(error.retry_after().map(|wait| format!("  try again in: {} s", wait.as_secs())));
            lines.extend(error.request_id().map(|id| format!("  request id: {id}")));
        }
        lines.iter().map(|line| printable(line) + "\n").collect()
    }

    fn json(&self, shape: Shape) -> Value {
        let call = if let Self::Call(error) = self { Some(error) } else { None };
        let data = match self {
            Self::Items { data, .. } | Self::Examination { data, .. } => data,
            _ => &Value::Null,
        };
        let mut document = json!({
            "success": false,
            "message": self.message(),
            "data": data,
            "errors": self.details(),
            "status": call.and_then(Error::status),
            "request_id": call.and_then(Error::request_id),
            "retry_after": call.and_then(Error::retry_after).map(|wait| wait.as_secs()),
        });
        if let Shape::Profile { user_id } = shape {
            document["user_id"] = json!(user_id);
            document["profile_id"] = Value::Null;
            document["error_details"] = document["errors"].clone();
        }
        document
    }

    /// The entries of `errors`.
    pub(crate) fn details(&self) -> Vec<Value> {
        match self {
            Self::Call(Error::Api { errors, .. }) => errors.iter().map(|error| json!(error)).collect(),
            Self::Items { details, .. } | Self::Examination { details, .. } => details.clone(),
            _ => vec![json!({"field": null, "code": self.code(), "message": self.message(), "hint": self.hint()})],
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage { message, .. }
            | Self::Items { message, .. }
            | Self::Unmet { message, .. }
            | Self::Examination { message, .. } => message.clone(),
            Self::Call(error) => error.to_string(),
            Self::Database(refusal) => refusal.message(),
            Self::Io { what, .. } => (*what).to_owned(),
            Self::File { what, .. } => what.clone(),
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Call(error) => error.code(),
            Self::Io { .. } | Self::File { .. } => "io",
            Self::Database(_) => "database",
            Self::Items { .. } => "items",
            Self::Unmet { code, .. } => code,
            Self::Examination { .. } => "examination",
        }
    }

    pub(crate) fn hint(&self) -> &str {
        match self {
            Self::Usage { hint, .. } | Self::Items { hint, .. } => hint,
            Self::Unmet { hint, .. } | Self::Examination { hint, .. } => hint,
            Self::Database(refusal) => refusal.hint(),
            Self::Call(error) => error.hint(),
            Self::Io { .. } => "Check what standard input and output are connected to.",
            Self::File { .. } => "Check the path, the permissions and the free space.",
        }
    }

    /// The chain of sources, outermost first, without those that only repeat what was said.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut source: Option<&dyn std::error::Error> = match self {
            Self::Database(refusal) => return refusal.causes(),
            Self::Usage { .. } | Self::Items { .. } | Self::Unmet { .. } | Self::Examination { .. } => None,
            Self::Call(error) => std::error::Error::source(error),
            Self::Io { source, .. } | Self::File { source, .. } => Some(source),
        };
        let mut causes = Vec::new();
        while let Some(cause) = source {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        causes
    }
}

/// The exit code of a refusal. A token that is unknown or used is one that was not found, not a matter of the key.
fn exit_code_of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::UserNotFound
        | ErrorCode::ProfileNotFound
        | ErrorCode::TokenInvalid
        | ErrorCode::TokenExpired
        | ErrorCode::OtpExpired
        | ErrorCode::UserDeleted => 3,
        ErrorCode::EmailExists | ErrorCode::PhoneExists | ErrorCode::ProfileExists => 4,
        ErrorCode::RateLimited | ErrorCode::Locked => 5,
        ErrorCode::InvalidCredentials
        | ErrorCode::SessionExpired
        | ErrorCode::Forbidden
        | ErrorCode::NotConfirmed
        | ErrorCode::UserBanned => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registrar_client::FieldError;

    fn api(errors: Vec<FieldError>) -> Failure {
        Failure::Call(Error::Api {
            code: errors[0].code,
            status: errors[0].code.status(),
            message: "Refused.".into(),
            hint: "Think again.".into(),
            errors,
            request_id: None,
            retry_after: Some(std::time::Duration::from_secs(7)),
        })
    }

    #[test]
    fn every_code_has_the_documented_exit_code() {
        for &code in ErrorCode::ALL {
            let expected = match code.status() {
                404 | 410 => 3,
                409 => 4,
                423 | 429 => 5,
                401 if code == ErrorCode::TokenInvalid => 3,
                401 | 403 => 6,
                _ => 1,
            };
            assert_eq!(api(vec![FieldError::of_call(code, "")]).exit_code(), expected, "{code}");
        }
        assert_eq!(Failure::usage("", "").exit_code(), 2);
    }

    #[test]
    fn each_field_is_told_with_what_to_do() {
        let failure = api(vec![
            FieldError::invalid("email", "Not an address.").with_hint("Like name@example.com."),
            FieldError::new("role", ErrorCode::InvalidRole, "No such role."),
        ]);
        let expected = "error: Refused.\n  email: Not an address. (validation_failed)\n    \
                        what to do: Like name@example.com.\n  role: No such role. (invalid_role)\n  try again in: 7 s\n";
        assert_eq!(failure.text(), expected);
        let json = failure.json(Shape::Envelope);
        assert_eq!((&json["success"], &json["retry_after"]), (&json!(false), &json!(7)));
        assert_eq!(json["errors"][1]["field"], "role");
    }

    #[test]
    fn a_command_on_profiles_adds_the_user_and_the_details() {
        let failure = api(vec![FieldError::of_call(ErrorCode::ProfileExists, "There.")]);
        let envelope = failure.json(Shape::Envelope);
        let user_id = uuid::Uuid::from_u128(7);
        let mut expected = envelope.clone();
        expected["user_id"] = json!(user_id);
        expected["profile_id"] = Value::Null;
        expected["error_details"] = envelope["errors"].clone();
        assert_eq!(failure.json(Shape::Profile { user_id: Some(user_id) }), expected);
        assert!(envelope.get("user_id").is_none() && envelope["errors"][0]["code"] == "profile_exists");
    }

    #[test]
    fn failed_items_are_1_and_keep_the_counts() {
        let details = vec![json!({"line": 3, "code": "user_not_found"})];
        let (message, data) = ("1 of 2 failed.".to_owned(), json!({"succeeded": 1}));
        let failure = Failure::Items { message, hint: "Correct it.", details, data };
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(failure.text(), "error: 1 of 2 failed.\n  what to do: Correct it.\n");
        let json = failure.json(Shape::Profile { user_id: None });
        assert_eq!((&json["data"]["succeeded"], &json["error_details"][0]["line"]), (&json!(1), &json!(3)));
    }

    #[test]
    fn without_a_fields_hint_the_hint_of_the_whole_is_told() {
        let failure = api(vec![FieldError::new("role", ErrorCode::InvalidRole, "No such role.")]);
        assert!(failure.text().contains("  what to do: Think again.\n"), "{}", failure.text());
    }

    #[test]
    fn what_a_server_says_cannot_steer_the_terminal() {
        let failure = api(vec![FieldError::new("role", ErrorCode::InvalidRole, "\u{1b}[2J")]);
        assert!(!failure.text().contains('\u{1b}'));
    }
}
