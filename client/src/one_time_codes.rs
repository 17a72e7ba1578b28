//! One-time codes: having one sent, and signing in by it.

use registrar_core::{CodePurpose, OtpSent, SignedIn};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Client, Result};

/// Where a code is sent: an e-mail address or a phone number, as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipient {
    #[serde(rename = "p_email", skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "p_mobile", skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

impl Recipient {
    /// An e-mail address.
    #[must_use]
    pub fn email(address: impl Into<String>) -> Self {
        Self { email: Some(address.into()), phone: None }
    }

    /// A phone number, in E.164 or national where `registrar.default_phone_region` says of which country.
    #[must_use]
    pub fn phone(number: impl Into<String>) -> Self {
        Self { email: None, phone: Some(number.into()) }
    }

    /// The parameters of a call that takes a number under its own name.
    pub(crate) fn as_user(&self) -> serde_json::Value {
        serde_json::json!({"p_email": self.email, "p_phone": self.phone})
    }
}

/// A code that a user has typed in. The `Debug` output does not show it.
#[derive(Debug, Clone)]
pub struct OtpProof {
    recipient: Recipient,
    code: SecretString,
    purpose: CodePurpose,
    device_name: Option<String>,
}

impl OtpProof {
    /// A code that was sent there to sign in with; spaces in it are dropped.
    #[must_use]
    pub fn new(recipient: Recipient, code: impl Into<SecretString>) -> Self {
        Self { recipient, code: code.into(), purpose: CodePurpose::SignIn, device_name: None }
    }

    /// What the code was sent for; to sign in unless set.
    #[must_use]
    pub fn purpose(mut self, purpose: CodePurpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// What the user calls the device, one line of up to 100 characters.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }
}

#[derive(Serialize)]
struct SendOtp<'a> {
    #[serde(flatten)]
    recipient: &'a Recipient,
    p_purpose: CodePurpose,
}

#[derive(Serialize)]
struct VerifyOtp<'a> {
    #[serde(flatten)]
    recipient: &'a Recipient,
    p_code: &'a str,
    p_purpose: CodePurpose,
    p_device_name: Option<&'a str>,
}

impl Client {
    /// Makes a one-time code, to be sent to its recipient by the caller: `registrar.send_otp`. It ends the one before.
    ///
    /// It is repeated only while it is certain that the server did not begin: two at once would leave one code dead.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `user_not_found`, `user_banned`, `user_deleted`, `rate_limited` (with
    /// [`retry_after`](crate::Error::retry_after)), `validation_failed` or `internal`, and every other variant of
    /// [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn send_otp(&self, recipient: &Recipient, purpose: CodePurpose) -> Result<OtpSent> {
        let parameters = SendOtp { recipient, p_purpose: purpose };
        self.call(Call::new("send_otp", &parameters, Repeatable::UntilBegun)).await
    }

    /// Signs a user in by a one-time code, and confirms where it was sent to: `registrar.verify_otp`.
    ///
    /// Each guess counts and a code works once, so the call is repeated only where no connection was made.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with `invalid_credentials`, `otp_expired`, `not_confirmed`, `user_banned`, `user_deleted`,
    /// `rate_limited`, `validation_failed` or `internal`, and every other variant of [`Error`](crate::Error) but `Config`.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn verify_otp(&self, proof: OtpProof) -> Result<SignedIn> {
        let parameters = VerifyOtp {
            recipient: &proof.recipient,
            p_code: proof.code.expose_secret(),
            p_purpose: proof.purpose,
            p_device_name: proof.device_name.as_deref(),
        };
        self.call(Call::new("verify_otp", &parameters, Repeatable::UntilSent)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_recipient_has_its_parameter() {
        let sent = |recipient: &Recipient| {
            serde_json::to_value(SendOtp { recipient, p_purpose: CodePurpose::Confirmation }).unwrap()
        };
        assert_eq!(
            sent(&Recipient::email("a@example.com")),
            json!({"p_email": "a@example.com", "p_purpose": "confirmation"})
        );
        assert_eq!(sent(&Recipient::phone("020 1234")), json!({"p_mobile": "020 1234", "p_purpose": "confirmation"}));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", OtpProof::new(Recipient::email("a@example.com"), "918273")).contains("918273"));
    }
}
