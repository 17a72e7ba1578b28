//! Signing in, and the sessions that come of it.

use registrar_core::{FoundSession, LoggedOut, Refreshed, Sessions, SignedIn};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

/// Who signs in, and with what. The `Debug` output shows no secret.
#[derive(Debug, Clone)]
pub struct SignIn {
    email: Option<String>,
    phone: Option<String>,
    password: SecretString,
    device_name: Option<String>,
}

impl SignIn {
    /// By an e-mail address and a password.
    #[must_use]
    pub fn with_email(email: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { email: Some(email.into()), phone: None, password: password.into(), device_name: None }
    }

    /// By a phone number, in E.164 or national where `registrar.default_phone_region` is set, and a password.
    #[must_use]
    pub fn with_phone(phone: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { email: None, phone: Some(phone.into()), password: password.into(), device_name: None }
    }

    /// What the user calls the device, one line of up to 100 characters.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }
}

/// Which sessions of a user are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutScope {
    /// That of the session token.
    This,
    /// All others of its user.
    Others,
    /// All of its user.
    All,
}

impl LogoutScope {
    fn as_str(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Others => "others",
            Self::All => "all",
        }
    }
}

#[derive(Serialize)]
struct SignInWithPassword<'a> {
    p_email: Option<&'a str>,
    p_phone: Option<&'a str>,
    p_password: &'a str,
    p_device_name: Option<&'a str>,
}

#[derive(Serialize)]
struct OfSession<'a> {
    p_session_token: &'a str,
}

#[derive(Serialize)]
struct OfUser {
    p_user_id: Uuid,
}

#[derive(Serialize)]
struct RefreshSession<'a> {
    p_refresh_token: &'a str,
}

#[derive(Serialize)]
struct Logout<'a> {
    p_scope: &'a str,
    p_session_token: &'a str,
}

impl Client {
    /// Signs a user in: `registrar.sign_in_with_password`. The password is sent, to be verified in the database; use TLS.
    ///
    /// It is repeated only while it is certain that the server did not begin: each attempt counts.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `invalid_credentials`, `not_confirmed`, `user_banned`, `user_deleted`, `locked` or
    /// `rate_limited` (both with [`retry_after`](crate::Error::retry_after)), `validation_failed` or `internal`, and every other
    /// variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn> {
        let parameters = SignInWithPassword {
            p_email: sign_in.email.as_deref(),
            p_phone: sign_in.phone.as_deref(),
            p_password: sign_in.password.expose_secret(),
            p_device_name: sign_in.device_name.as_deref(),
        };
        self.call(Call::new("sign_in_with_password", &parameters, Repeatable::UntilBegun)).await
    }

    /// The session of a session token: `registrar.get_session`.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `session_expired` or `validation_failed`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn get_session(&self, session_token: impl Into<SecretString>) -> Result<FoundSession> {
        let token = session_token.into();
        let parameters = OfSession { p_session_token: token.expose_secret() };
        self.call(Call::new("get_session", &parameters, Repeatable::Always)).await
    }

    /// New tokens for a session: `registrar.refresh_session`. The token works once, and the old session token dies with it.
    ///
    /// It is repeated only while it is certain that the server did not begin.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `session_expired` or `validation_failed`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn refresh_session(&self, refresh_token: impl Into<SecretString>) -> Result<Refreshed> {
        let token = refresh_token.into();
        let parameters = RefreshSession { p_refresh_token: token.expose_secret() };
        self.call(Call::new("refresh_session", &parameters, Repeatable::UntilBegun)).await
    }

    /// The live sessions of a user, the newest first: `registrar.list_sessions`.
    ///
    /// # Errors
    /// Every variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn list_sessions(&self, user_id: Uuid) -> Result<Sessions> {
        self.call(Call::new("list_sessions", &OfUser { p_user_id: user_id }, Repeatable::Always)).await
    }

    /// The live sessions of the user of a session token, the newest first, with that one marked: `registrar.list_sessions`.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `session_expired` or `validation_failed`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn list_sessions_beside(&self, session_token: impl Into<SecretString>) -> Result<Sessions> {
        let token = session_token.into();
        let parameters = OfSession { p_session_token: token.expose_secret() };
        self.call(Call::new("list_sessions", &parameters, Repeatable::Always)).await
    }

    /// Ends sessions of the user of a session token, for the very next request: `registrar.logout`.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `session_expired` or `validation_failed`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn logout(&self, session_token: impl Into<SecretString>, scope: LogoutScope) -> Result<LoggedOut> {
        let token = session_token.into();
        let parameters = Logout { p_scope: scope.as_str(), p_session_token: token.expose_secret() };
        self.call(Call::new("logout", &parameters, Repeatable::UntilSent)).await
    }
}
