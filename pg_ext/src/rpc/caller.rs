//! Who calls, and whom the call is about.

use pgrx::pg_sys::Oid;
use registrar_core::{ErrorCode, FieldError};
use serde::Deserialize;
use uuid::Uuid;

use crate::pg;
use crate::store::profiles::Rights;

/// Whoever called a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    role: Oid,
    /// Whether it is a back end, which acts for any user.
    is_trusted: bool,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<Uuid>,
    session_id: Option<Uuid>,
}

impl Caller {
    /// The caller, to be asked before registrar takes its own rights.
    pub(super) fn current() -> Self {
        Self::of(pg::current_user_id())
    }

    /// Who called a function that runs with registrar's rights.
    pub(super) fn outer() -> Self {
        Self::of(pg::outer_user_id())
    }

    fn of(role: Oid) -> Self {
        Self { role, is_trusted: pg::has_rights_of(role, c"service_role") }
    }

    /// Whether it is a back end, which may learn what a visitor may not.
    pub(super) fn is_trusted(self) -> bool {
        self.is_trusted
    }

    /// Who is signed in, by the access token.
    pub(super) fn user_id(self) -> Option<Uuid> {
        claims().and_then(|claims| claims.sub)
    }

    /// On whose profile a call acts, and with which rights: a user on the own, with those that the table gives; a back end on
    /// that of the user it names, with those of the table's owner.
    ///
    /// # Errors
    /// As [`own_or_named`](Self::own_or_named).
    pub(super) fn act_on(self, user_id: Option<Uuid>) -> Result<(Uuid, Rights), FieldError> {
        let rights = if self.is_trusted { Rights::Owner } else { Rights::Role(self.role) };
        Ok((self.own_or_named(user_id)?, rights))
    }

    /// Whom a call is about: the user who is signed in; whomever a back end names.
    ///
    /// # Errors
    /// `validation_failed` where a back end names nobody, `forbidden` where a user names another.
    pub(super) fn own_or_named(self, user_id: Option<Uuid>) -> Result<Uuid, FieldError> {
        if self.is_trusted {
            return user_id.ok_or_else(|| FieldError::invalid("user_id", "A user id is required."));
        }
        match (self.user_id(), user_id) {
            (Some(own), None) => Ok(own),
            (Some(own), Some(user_id)) if own == user_id => Ok(own),
            (Some(_), Some(_)) => Err(forbidden("Only what is one's own may be read or changed.")),
            (None, _) => Err(forbidden("Nobody is signed in.")),
        }
    }

    /// The session that the caller's access token was made for.
    pub(super) fn session_id(self) -> Option<Uuid> {
        claims().and_then(|claims| claims.session_id)
    }

    /// # Errors
    /// `forbidden` where the caller is no back end.
    pub(super) fn require_trusted(self) -> Result<(), FieldError> {
        if self.is_trusted { Ok(()) } else { Err(forbidden("Only a back end may do this.")) }
    }
}

fn claims() -> Option<Claims> {
    pg::request_claims().and_then(|claims| serde_json::from_str(&claims).ok())
}

fn forbidden(message: &'static str) -> FieldError {
    FieldError::of_call(ErrorCode::Forbidden, message)
}
