//! Messages that visitors ask for, handed to the app's own function that sends them.

use pgrx::pg_sys::BuiltinOid::JSONBOID;
use pgrx::spi::SpiClient;
use registrar_core::{OtpSent, PasswordReset, Verification};
use serde::Serialize;
use uuid::Uuid;

use super::audit_log::{self, Action};
use super::public_access;
use crate::pg::{self, Jsonb, PgError, TrappedStatement};

/// What is to be sent.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message<'a> {
    OneTimeCode {
        user_id: Uuid,
        #[serde(flatten)]
        sent: &'a OtpSent,
    },
    PasswordReset {
        user_id: Uuid,
        recipient: &'a str,
        #[serde(flatten)]
        reset: &'a PasswordReset,
    },
    EmailVerification {
        user_id: Uuid,
        recipient: &'a str,
        #[serde(flatten)]
        verification: &'a Verification,
    },
}

impl Message<'_> {
    /// What nobody but the recipient may read.
    fn secret(&self) -> &str {
        match self {
            Self::OneTimeCode { sent, .. } => sent.code.as_deref().unwrap_or_default(),
            Self::PasswordReset { reset, .. } => &reset.token,
            Self::EmailVerification { verification, .. } => &verification.token,
        }
    }
}

/// Whether there is somebody to send messages.
pub(crate) fn is_there(client: &mut SpiClient<'_>) -> bool {
    public_access::sender(client).is_some()
}

/// Has a message sent, with the rights of the owner of the function that sends. A failure is recorded and not told: it would tell a visitor
/// that there is such a user.
pub(crate) fn send(client: &mut SpiClient<'_>, action: Action, user_id: Uuid, message: &Message<'_>) {
    let Some(sender) = public_access::sender(client) else { return };
    let outcome: Result<u64, PgError> = pg::subtransaction(|| {
        pg::as_role(sender.owner, || {
            let types = [JSONBOID.value()];
            let statement = TrappedStatement::prepare(client, &format!("SELECT {}($1)", sender.name), &types);
            statement.execute(client, &[Jsonb::of(message).into()])
        })
    });
    if let Err(error) = outcome {
        // The app's own words may repeat what was to be sent.
        let said = match message.secret() {
            "" => error.message.clone(),
            secret => error.message.replace(secret, "[redacted]"),
        };
        let detail = format!("{} did not send: {} {said}", sender.name, error.sqlstate());
        audit_log::record(client, action, "internal", Some(user_id), Some(&detail));
    }
}
