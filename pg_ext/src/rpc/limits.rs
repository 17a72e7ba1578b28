//! How often something may be attempted, whoever asks through whichever gateway. What comes too soon is not answered, and counts as no
//! attempt.

use std::borrow::Cow;

use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, SecretHash};

use super::answer::Refusal;
use super::caller::Caller;
use crate::pg::{self, Timestamp};
use crate::settings;
use crate::store::attempts::{self, Purpose};
use crate::store::message_sender;

const QUARTER: i32 = 15 * 60;
const HOUR: i32 = 3600;

/// Whether another password may be tried for an identifier, after those that were wrong.
///
/// # Errors
/// `locked` and `rate_limited`, with what is left to wait.
pub(super) fn check_passwords(client: &mut SpiClient<'_>, identifier: &SecretHash) -> Result<(), Refusal> {
    let enough = settings::sign_in_failures_to_longest_lockout();
    let (failures, last) = attempts::failures(client, identifier, Purpose::Password, enough);
    let until = settings::sign_in_lockout(failures).zip(last);
    if let Some(seconds) = left(until.map(|(lockout, last)| last.plus_seconds(lockout))) {
        let message = format!("Too many wrong passwords: wait for {seconds} seconds.");
        return Err(Refusal::Later { error: FieldError::of_call(ErrorCode::Locked, message), seconds });
    }
    check_failures_of_address(client, Purpose::Password, "Too many wrong passwords from this address.")
}

/// Whether the caller's network address may guess on, whomever it guesses at.
///
/// # Errors
/// `rate_limited`, with what is left to wait.
pub(super) fn check_failures_of_address(
    client: &mut SpiClient<'_>,
    purpose: Purpose,
    message: &'static str,
) -> Result<(), Refusal> {
    let Some(limit) = settings::sign_in_max_failures_per_address() else { return Ok(()) };
    let failures = attempts::of_address(client, purpose, ago(QUARTER), true);
    let until = failures.first.filter(|_| failures.number >= limit).map(|first| first.plus_seconds(QUARTER));
    left(until).map_or(Ok(()), |seconds| Err(too_many(message, seconds)))
}

/// Whether there is somebody to send what the caller asks for: a back end does so itself.
///
/// # Errors
/// `forbidden` for everybody else, where the owner has named nobody.
pub(super) fn check_sender(client: &mut SpiClient<'_>, caller: Caller) -> Result<(), FieldError> {
    if caller.is_trusted() || message_sender::is_there(client) {
        return Ok(());
    }
    let hint = "The owner names a function that sends them: SELECT registrar.allow_public_sign_in(true, 'app.send_message(jsonb)');";
    Err(FieldError::of_call(ErrorCode::Forbidden, "Messages are sent by a back end only.").with_hint(hint))
}

/// Whether another message may be sent to a recipient. A wrong guess at one that was sent has no part in it.
///
/// # Errors
/// `rate_limited`, with what is left to wait.
pub(super) fn check_sends(client: &mut SpiClient<'_>, recipient: &SecretHash, purpose: Purpose) -> Result<(), Refusal> {
    let sent = attempts::since(client, recipient, purpose, ago(HOUR));
    if let Some(seconds) = left(sent.last.map(|last| last.plus_seconds(settings::send_interval()))) {
        return Err(too_many(format!("A message was sent a moment ago: wait for {seconds} seconds."), seconds));
    }
    let is_full = sent.number >= settings::max_sends_per_recipient();
    if let Some(seconds) = left(sent.first.filter(|_| is_full).map(|first| first.plus_seconds(HOUR))) {
        return Err(too_many("Too many messages were sent there within an hour.", seconds));
    }
    let Some(limit) = settings::max_sends_per_address() else { return Ok(()) };
    let asked = attempts::of_address(client, purpose, ago(HOUR), false);
    let until = asked.first.filter(|_| asked.number >= limit).map(|first| first.plus_seconds(HOUR));
    left(until).map_or(Ok(()), |seconds| Err(too_many("Too many messages were asked for from this address.", seconds)))
}

fn too_many(message: impl Into<Cow<'static, str>>, seconds: i64) -> Refusal {
    Refusal::Later { error: FieldError::of_call(ErrorCode::RateLimited, message), seconds }
}

fn ago(seconds: i32) -> Timestamp {
    pg::transaction_start().plus_seconds(-seconds)
}

/// Seconds until then; `None` where that has passed.
fn left(until: Option<Timestamp>) -> Option<i64> {
    until.map(|until| pg::transaction_start().seconds_until(until)).filter(|&seconds| seconds > 0)
}
