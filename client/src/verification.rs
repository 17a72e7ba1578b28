//! Verifying an e-mail address, and sending the token anew.

use registrar_core::{Resent, Verified};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

#[derive(Serialize)]
struct VerifyEmail<'a> {
    p_token: &'a str,
}

#[derive(Serialize)]
struct ResendVerification<'a> {
    p_email: &'a str,
}

impl Client {
    /// Verifies an e-mail address by the token that was sent to it: `registrar.verify_email`. White space around the token
    /// is dropped.
    ///
    /// The token works once, so the call is repeated only where no connection was made. After an error whose
    /// [`outcome_unknown`](crate::Error::outcome_unknown) is true, the address may be verified.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `token_invalid`, `token_expired`, `validation_failed`, `rate_limited` or
    /// `internal`, and every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn verify_email(&self, token: impl Into<SecretString>) -> Result<Verified> {
        let token = token.into();
        let parameters = VerifyEmail { p_token: token.expose_secret().trim() };
        self.call(Call::new("verify_email", &parameters, Repeatable::UntilSent)).await
    }

    /// Makes a new token for an address that waits for verification: `registrar.resend_verification`. The older ones are
    /// used up. Sending it is the caller's part.
    ///
    /// It is repeated only while it is certain that the server did not begin: two at once would leave one token dead.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `user_not_found`, `email_exists` (it is verified already),
    /// `validation_failed`, `rate_limited` or `internal`, and every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn resend_verification(&self, email: impl AsRef<str>) -> Result<Resent> {
        let parameters = ResendVerification { p_email: email.as_ref() };
        self.call(Call::new("resend_verification", &parameters, Repeatable::UntilBegun)).await
    }
}
