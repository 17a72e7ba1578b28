//! Pages of users, one after the other by key.

use registrar_core::{ErrorCode, FieldError};
use uuid::Uuid;

/// How many rows a call may look at.
pub(super) fn limit(limit: Option<i32>) -> Result<i64, FieldError> {
    match limit.unwrap_or(1000) {
        limit @ 1..=10_000 => Ok(i64::from(limit)),
        _ => Err(FieldError::new("limit", ErrorCode::ValidationFailed, "The limit is not between 1 and 10,000.")),
    }
}

/// After whom the next page begins; `None` where this one was not full.
pub(super) fn next<T>(page: &[T], limit: i64, id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
    page.last().map(id).filter(|_| i64::try_from(page.len()) == Ok(limit))
}
