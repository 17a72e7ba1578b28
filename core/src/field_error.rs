//! One reason for a refusal, tied to the field that caused it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// One entry of an [`Envelope`](crate::Envelope)'s `errors`: which field, which code, what to tell the user and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The parameter without its `p_`, or `None` where the refusal is not about one field.
    pub field: Option<Cow<'static, str>>,
    /// The code; an answer with several takes its status from [`FieldError::outcome`].
    pub code: ErrorCode,
    /// A sentence for a person; never holds a secret or the offending value itself.
    pub message: Cow<'static, str>,
    /// What to do about it, where there is something to do.
    pub hint: Option<Cow<'static, str>>,
}

impl FieldError {
    /// An error about one field.
    #[must_use]
    pub fn new(field: &'static str, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), code, message: message.into(), hint: None }
    }

    /// An error about the call as a whole, with the code's own hint.
    #[must_use]
    pub fn of_call(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: None, code, message: message.into(), hint: Some(code.hint().into()) }
    }

    /// A malformed or missing field: [`ErrorCode::ValidationFailed`].
    #[must_use]
    pub fn invalid(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(field, ErrorCode::ValidationFailed, message)
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What holds; what does not is put to the other errors, so that all are told at once.
    pub(crate) fn kept<T>(errors: &mut Vec<Self>, checked: Result<T, Self>) -> Option<T> {
        checked.map_err(|error| errors.push(error)).ok()
    }

    /// The code that stands for a list of errors: a malformed field outweighs the rest, else the first one decides.
    #[must_use]
    pub fn outcome(errors: &[FieldError]) -> ErrorCode {
        let malformed = errors.iter().find(|error| error.code == ErrorCode::ValidationFailed);
        malformed.or(errors.first()).map_or(ErrorCode::Internal, |error| error.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_field_decides_the_status_of_several_errors() {
        let role = FieldError::new("role", ErrorCode::InvalidRole, "");
        let email = FieldError::invalid("email", "");
        assert_eq!(FieldError::outcome(std::slice::from_ref(&role)), ErrorCode::InvalidRole);
        assert_eq!(FieldError::outcome(&[role, email]), ErrorCode::ValidationFailed);
    }
}
