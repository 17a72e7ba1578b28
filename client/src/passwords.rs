//! New passwords: by a token that was sent, or by the current one.

use registrar_core::{PasswordChanged, PasswordResetRequested};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::client::Call;
use crate::new_password;
use crate::retry::Repeatable;
use crate::{Client, Result};

/// A password to be changed, by whom the session says. The `Debug` output shows no secret.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    session_token: SecretString,
    current: Option<SecretString>,
    new: SecretString,
}

impl PasswordChange {
    /// Within a fresh session: one that began less than `registrar.fresh_session` ago.
    #[must_use]
    pub fn within(session_token: impl Into<SecretString>, new: impl Into<SecretString>) -> Self {
        Self { session_token: session_token.into(), current: None, new: new.into() }
    }

    /// The current password, which any session needs that is not fresh.
    #[must_use]
    pub fn current(mut self, password: impl Into<SecretString>) -> Self {
        self.current = Some(password.into());
        self
    }
}

#[derive(Serialize)]
struct RequestPasswordReset<'a> {
    p_email: &'a str,
}

#[derive(Serialize)]
struct ResetPassword<'a> {
    p_token: &'a str,
    p_password_hash: &'a str,
}

#[derive(Serialize)]
struct ChangePassword<'a> {
    p_session_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_current_password: Option<&'a str>,
    p_password_hash: &'a str,
}

impl Client {
    /// Makes a token to choose a new password with, to be sent to the address by the caller: `registrar.request_password_reset`.
    /// It ends the one before.
    ///
    /// It is repeated only while it is certain that the server did not begin: two at once would leave one token dead.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `user_not_found`, `not_confirmed`, `user_banned`, `user_deleted`, `rate_limited` (with
    /// [`retry_after`](crate::Error::retry_after)), `validation_failed` or `internal`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn request_password_reset(&self, email: impl AsRef<str>) -> Result<PasswordResetRequested> {
        let parameters = RequestPasswordReset { p_email: email.as_ref() };
        self.call(Call::new("request_password_reset", &parameters, Repeatable::UntilBegun)).await
    }

    /// Puts a new password in force by a token, and ends all sessions of its user: `registrar.reset_password`. The password is checked
    /// and hashed before it leaves the process.
    ///
    /// The token works once, so the call is repeated only where no connection was made.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `token_expired`, `weak_password` (every reason in `errors`), `user_banned`,
    /// `user_deleted`, `validation_failed` or `internal`, and every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime; while hashing, where the system has no randomness or no 19 MiB of memory.
    pub async fn reset_password(
        &self,
        token: impl Into<SecretString>,
        password: impl Into<SecretString>,
    ) -> Result<PasswordChanged> {
        let (token, password) = (token.into(), password.into());
        let hash = new_password::hashed(password, &[]).await.map_err(new_password::refused)?;
        let parameters = ResetPassword { p_token: token.expose_secret().trim(), p_password_hash: hash.expose() };
        self.call(Call::new("reset_password", &parameters, Repeatable::UntilSent)).await
    }

    /// Changes the password of a session's user, and ends all other sessions: `registrar.change_password`. The new password is
    /// checked and hashed before it leaves the process; the current one is sent, to be verified in the database: use TLS.
    ///
    /// It is repeated only while it is certain that the server did not begin: each attempt counts.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `invalid_credentials`, `forbidden` (the session is not fresh), `token_invalid`,
    /// `session_expired`, `locked` (with [`retry_after`](crate::Error::retry_after)), `weak_password`, `validation_failed` or `internal`, and
    /// every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// As [`reset_password`](Self::reset_password).
    pub async fn change_password(&self, change: PasswordChange) -> Result<PasswordChanged> {
        let PasswordChange { session_token, current, new } = change;
        let hash = new_password::hashed(new, &[]).await.map_err(new_password::refused)?;
        let parameters = ChangePassword {
            p_session_token: session_token.expose_secret(),
            p_current_password: current.as_ref().map(ExposeSecret::expose_secret),
            p_password_hash: hash.expose(),
        };
        self.call(Call::new("change_password", &parameters, Repeatable::UntilBegun)).await
    }
}
