//! `request_password_reset`, `reset_password` and `change_password`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{
    Channel, Credential, Email, ErrorCode, FieldError, PasswordChanged, PasswordHash, PasswordReset,
    PasswordResetRequested, Token,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::identifier::Identifier;
use super::limits;
use super::sessions::{Whose, expired, parse};
use super::sign_in::{check_standing, kept, sent_password, verified};
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::attempts::{self, Purpose};
use crate::store::audit_log::Action;
use crate::store::confirmations::{self, Besides};
use crate::store::credentials::{self, Credentials};
use crate::store::from_pg_uuid;
use crate::store::message_sender::{self, Message};
use crate::store::password_resets::{self, NewReset};
use crate::store::secrets;
use crate::store::sessions::{self, EndReason, Which};
use crate::store::users;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn request_password_reset(p_email: default!(Option<String>, "NULL")) -> Jsonb {
    let email = Email::parse(p_email.as_deref().unwrap_or_default()).map(Identifier::Email);
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::RequestPasswordReset, |client, _| match &email {
            Ok(email) => request_reset(client, caller, email),
            Err(error) => Err(error.clone().into()),
        })
    })
}

fn request_reset(
    client: &mut SpiClient<'_>,
    caller: Caller,
    email: &Identifier,
) -> Result<Done<PasswordResetRequested>, Refusal> {
    let hash = email.hash();
    limits::check_sender(client, caller)?;
    attempts::take_turns(&hash);
    limits::check_sends(client, &hash, Purpose::SendReset)?;
    let found = email.credentials(client);
    let user_id = found.as_ref().map(|found| found.user_id);
    attempts::record(client, &hash, Purpose::SendReset, found.is_some(), user_id);
    let issued = found.ok_or_else(unknown).and_then(|found| issue(client, email, &found).map(|reset| (found, reset)));
    let reset = match issued {
        Ok((_, reset)) if caller.is_trusted() => Some(reset),
        Ok((Credentials { user_id, .. }, reset)) => {
            let message = Message::PasswordReset { user_id, recipient: email.recipient(), reset: &reset };
            message_sender::send(client, Action::RequestPasswordReset, user_id, &message);
            None
        }
        Err(error) if caller.is_trusted() => return Err(kept(error, user_id)),
        Err(_) => None,
    };
    let data = PasswordResetRequested { reset };
    Ok(Done { status: 200, message: "A token to reset the password was made".into(), user_id, data })
}

fn unknown() -> FieldError {
    FieldError::new("email", ErrorCode::UserNotFound, "There is no user with this email.")
        .with_hint(ErrorCode::UserNotFound.hint())
}

/// Makes the only live token of a user. Whoever has the mailbox may put a password on an account that nobody holds yet, but not on one that
/// is somebody's who never confirmed the address.
fn issue(client: &mut SpiClient<'_>, email: &Identifier, found: &Credentials) -> Result<PasswordReset, FieldError> {
    check_standing(client, found.user_id, found.is_confirmed || !found.is_held)?;
    let (now, token) = (pg::transaction_start(), Token::generate(found.user_id));
    let expires_at = now.plus_seconds(settings::password_reset_lifetime());
    let (email, password) = (email.recipient(), found.stored.as_str());
    password_resets::replace(client, &NewReset { token: &token, email, password, now, expires_at });
    Ok(PasswordReset { token: token.expose().to_owned(), expires_at: expires_at.to_utc() })
}

/// The new password as it was sent.
struct NewPassword {
    password: Option<SecretString>,
    hash: Option<SecretString>,
}

impl NewPassword {
    fn of(password: Option<String>, hash: Option<String>) -> Self {
        Self { password: password.map(Into::into), hash: hash.map(Into::into) }
    }

    /// What is to be stored. `known` is what others know of the user.
    ///
    /// # Errors
    /// All reasons to refuse it.
    fn check(&self, known: &[&str]) -> Result<Credential, Vec<FieldError>> {
        let missing = || vec![FieldError::invalid("password", "A new password is required.")];
        let policy = settings::hash_policy();
        Credential::parse(self.hash.clone(), self.password.clone(), known, &policy)?.ok_or_else(missing)
    }
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn reset_password(
    p_token: default!(Option<&str>, "NULL"),
    p_password: default!(Option<String>, "NULL"),
    p_password_hash: default!(Option<String>, "NULL"),
) -> Jsonb {
    let token = parse("token", p_token).map_err(|error| FieldError { hint: Some(ASK_AGAIN.into()), ..error });
    let new = NewPassword::of(p_password, p_password_hash);
    pg::as_registrar(|| {
        answer(Action::ResetPassword, |client, _| match (&token, new.check(&[])) {
            (Ok(token), Ok(_)) => reset(client, token, &new),
            (token, new) => {
                let errors = token.as_ref().err().cloned().into_iter().chain(new.err().unwrap_or_default()).collect();
                Err(Refusal::Errors { errors, user_id: None })
            }
        })
    })
}

const ASK_AGAIN: &str = "Ask for a new one with request_password_reset.";

/// The user's row is locked before the token is read, as every call does: two calls with one token go one after the other.
fn reset(client: &mut SpiClient<'_>, token: &Token, new: &NewPassword) -> Result<Done<PasswordChanged>, Refusal> {
    let user_id = token.user_id();
    let refused = |code, message: &'static str| {
        Refusal::of_user(user_id, FieldError::new("token", code, message).with_hint(ASK_AGAIN))
    };
    let unknown = || {
        let error = FieldError::new("token", ErrorCode::TokenInvalid, "The token is unknown.");
        Refusal::from(error.with_hint(ASK_AGAIN))
    };
    users::lock_by_id(client, user_id).ok_or_else(unknown)?;
    let stored = password_resets::find(client, user_id).ok_or_else(unknown)?;
    if stored.hash != token.hash() {
        return Err(refused(ErrorCode::TokenInvalid, "The token is unknown, or a newer one has replaced it."));
    }
    let found = credentials::of_email(client, &stored.email).filter(|found| found.user_id == user_id);
    let Some(found) = found else {
        return Err(refused(ErrorCode::TokenInvalid, "The token was sent to another address than the user has now."));
    };
    if stored.is_used {
        return Err(refused(ErrorCode::TokenInvalid, "The token was already used."));
    }
    if !stored.replaces(&found.stored) {
        return Err(refused(ErrorCode::TokenInvalid, "The password was changed since the token was made."));
    }
    let now = pg::transaction_start();
    if stored.expires_at <= now {
        return Err(refused(ErrorCode::TokenExpired, "The token has expired."));
    }
    check_standing(client, user_id, found.is_confirmed || !found.is_held)
        .map_err(|error| Refusal::of_user(user_id, error))?;
    let hash = new.check(&[&stored.email]).map_err(|errors| Refusal::Errors { errors, user_id: Some(user_id) })?;
    password_resets::use_up(client, user_id, now);
    if !found.is_confirmed {
        let besides = Besides { signs_in: false, drops_unproven: true };
        confirmations::confirm(client, user_id, Channel::Email, besides, now);
    }
    // Whoever guessed wrongly before has locked the address for nobody any more.
    let address = Identifier::hash_of_email(&stored.email);
    attempts::record(client, &address, Purpose::Password, true, Some(user_id));
    replace(client, user_id, &hash.into_hash(&settings::hash_policy()), Which::All)
}

/// Puts a password in force, and ends sessions that were opened with another.
fn replace(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    hash: &PasswordHash,
    ends: Which,
) -> Result<Done<PasswordChanged>, Refusal> {
    let user = credentials::replace(client, user_id, hash, pg::transaction_start());
    let user = user.ok_or_else(|| Refusal::of_user(user_id, expired()))?;
    let sessions_ended = sessions::end(client, user_id, ends, EndReason::Password);
    let data = PasswordChanged { user, sessions_ended };
    Ok(Done { status: 200, message: "The password is another now".into(), user_id: Some(user_id), data })
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn change_password(
    p_password: default!(Option<String>, "NULL"),
    p_password_hash: default!(Option<String>, "NULL"),
    p_current_password: default!(Option<String>, "NULL"),
    p_session_token: default!(Option<String>, "NULL"),
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
) -> Jsonb {
    let whose = Whose::of(p_session_token.as_deref(), p_user_id.map(from_pg_uuid));
    let new = NewPassword::of(p_password, p_password_hash);
    let current = p_current_password.map(|current| sent_password("current_password", Some(current))).transpose();
    pg::as_registrar(|| {
        answer(Action::ChangePassword, |client, _| {
            let whose = whose.as_ref().map_err(Clone::clone)?;
            match (new.check(&[]), &current) {
                (Ok(_), Ok(current)) => change(client, *whose, &new, current.as_ref()),
                (new, current) => {
                    let errors = new.err().unwrap_or_default().into_iter().chain(current.as_ref().err().cloned());
                    Err(Refusal::Errors { errors: errors.collect(), user_id: Some(whose.user_id) })
                }
            }
        })
    })
}

fn change(
    client: &mut SpiClient<'_>,
    whose: Whose,
    new: &NewPassword,
    current: Option<&SecretString>,
) -> Result<Done<PasswordChanged>, Refusal> {
    let user_id = whose.user_id;
    let attempted = secrets::keyed_hash(&[b"user", user_id.as_bytes()]);
    attempts::take_turns(&attempted);
    let unknown = || Refusal::from(FieldError::of_call(ErrorCode::UserNotFound, ErrorCode::UserNotFound.meaning()));
    let user = users::lock_by_id(client, user_id).ok_or_else(unknown)?.summary;
    let session = whose.session_id.and_then(|id| sessions::lock(client, user_id, id));
    if session.as_ref().is_some_and(|session| !session.is_live()) {
        return Err(Refusal::of_user(user_id, expired()));
    }
    check_standing(client, user_id, true).map_err(|error| Refusal::of_user(user_id, error))?;
    match current {
        Some(current) => {
            limits::check_passwords(client, &attempted)?;
            let found = credentials::of_id(client, user_id);
            let is_right = verified(client, found, current).is_some();
            attempts::record(client, &attempted, Purpose::Password, is_right, Some(user_id));
            if !is_right {
                let error = FieldError::new(
                    "current_password",
                    ErrorCode::InvalidCredentials,
                    "The current password is wrong.",
                );
                return Err(kept(error.with_hint(ErrorCode::InvalidCredentials.hint()), Some(user_id)));
            }
        }
        None if session.as_ref().is_some_and(|session| session.is_fresh(settings::fresh_session())) => {}
        None => {
            let error = FieldError::new("current_password", ErrorCode::Forbidden, "The current password is required.");
            let hint = "Send it, or have the user sign in again: a fresh session needs none.";
            return Err(Refusal::of_user(user_id, error.with_hint(hint)));
        }
    }
    let hash = new
        .check(&[user.email.as_deref().unwrap_or_default()])
        .map_err(|errors| Refusal::Errors { errors, user_id: Some(user_id) })?;
    let ends = session.map_or(Which::All, |session| Which::Others(session.session.id));
    replace(client, user_id, &hash.into_hash(&settings::hash_policy()), ends)
}
