//! The one shape of every answer.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// What every RPC returns: either `data` with no errors, or at least one error and no `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Whether the call did what it was asked to.
    pub success: bool,
    /// A sentence for a person.
    pub message: Cow<'static, str>,
    /// What the call made or found; `null` on failure.
    pub data: Option<T>,
    /// Every reason for the failure; empty on success.
    pub errors: Vec<FieldError>,
}

impl<T> Envelope<T> {
    /// A success.
    #[must_use]
    pub fn success(message: impl Into<Cow<'static, str>>, data: T) -> Self {
        Self { success: true, message: message.into(), data: Some(data), errors: Vec::new() }
    }

    /// A failure; its message is the only error's own, or says how many there are.
    #[must_use]
    pub fn failure(errors: Vec<FieldError>) -> Self {
        let message = match errors.as_slice() {
            [only] => only.message.clone(),
            several => format!("{} fields need attention.", several.len()).into(),
        };
        Self { success: false, message, data: None, errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn the_envelope_has_the_documented_shape() {
        let error = FieldError::new("email", ErrorCode::EmailExists, "This email is already in use.");
        assert_eq!(
            serde_json::to_value(Envelope::<()>::failure(vec![error])).unwrap(),
            serde_json::json!({
                "success": false, "message": "This email is already in use.", "data": null,
                "errors": [{"field": "email", "code": "email_exists",
                            "message": "This email is already in use.", "hint": null}],
            })
        );
        assert_eq!(
            serde_json::to_value(Envelope::success("Done.", 7)).unwrap(),
            serde_json::json!({"success": true, "message": "Done.", "data": 7, "errors": []})
        );
    }
}
