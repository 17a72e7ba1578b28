//! `verify_email` and `resend_verification`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{Email, ErrorCode, FieldError, Resent, Token, Verified};

use super::answer::{Done, Refusal, answer};
use super::registration::{email_exists, issue_token};
use crate::pg::{Jsonb, transaction_start};
use crate::store::audit_log::Action;
use crate::store::credentials;
use crate::store::profile_filling;
use crate::store::profiles::Row;
use crate::store::user_rows;
use crate::store::users::{self, LockedUser};
use crate::store::{identities, pending_registrations, verification_tokens};

#[pg_extern(security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn verify_email(p_token: default!(Option<String>, "NULL")) -> Jsonb {
    let token = p_token.as_deref().map(str::trim).filter(|token| !token.is_empty());
    let parsed = token.and_then(Token::parse);
    answer(Action::VerifyEmail, |client, _| match (&parsed, token) {
        (Some(token), _) => verify(client, token),
        (None, Some(_)) => Err(invalid("This is not a verification token.").into()),
        (None, None) => Err(FieldError::invalid("token", "A token is required.").into()),
    })
}

/// The user's row is locked before the token is read, as every call does: two calls with one token go one after the other.
fn verify(client: &mut SpiClient<'_>, token: &Token) -> Result<Done<Verified<Row>>, Refusal> {
    let now = transaction_start();
    let user = users::lock_by_id(client, token.user_id());
    let stored = user.as_ref().and_then(|user| verification_tokens::find(client, user.summary.id));
    let (Some(LockedUser { summary: user, is_in_use }), Some(stored)) = (user, stored) else {
        return Err(invalid("The token is unknown.").into());
    };
    if stored.hash != token.hash() {
        return Err(Refusal::of_user(user.id, invalid("The token is unknown, or a newer one has replaced it.")));
    }
    if user.email.as_deref() != Some(stored.email.as_str()) {
        return Err(Refusal::of_user(user.id, invalid("The token was sent to another address than the user has now.")));
    }
    if stored.is_used {
        return Err(Refusal::of_user(user.id, invalid("The token was already used.")));
    }
    if stored.expires_at <= now {
        let error = FieldError::new("token", ErrorCode::TokenExpired, "The token has expired.");
        return Err(Refusal::of_user(user.id, error.with_hint(ErrorCode::TokenExpired.hint())));
    }
    verification_tokens::use_up(client, user.id, now);
    // An account that came to be used in the meantime keeps what it has.
    let pending = pending_registrations::take(client, user.id).filter(|_| !is_in_use);
    let user_id = user.id;
    let done = |user, message: &'static str| {
        let profile = profile_filling::primary_of(user_id);
        Ok(Done { status: 200, message: message.into(), user_id: Some(user_id), data: Verified { user, profile } })
    };
    // Confirmed in another way in the meantime, by the owner of the mailbox or an administrator: whatever somebody
    // registered since must not take effect any more.
    if user.email_confirmed_at.is_some() {
        return done(user, "Email was verified before");
    }
    let confirmed = match pending {
        Some(pending) => {
            let email = user.email.as_deref().unwrap_or_default();
            let claims = users::claims(user_id, email, true, &pending.metadata).into();
            identities::replace(client, user_id, &claims, now);
            let confirmed = users::confirm_with_pending(client, user_id, &pending, &claims, now);
            user_rows::of_ids(client, &[user_id]).iter().try_for_each(profile_filling::refill)?;
            confirmed
        }
        None => {
            identities::confirm(client, user_id, "email", now);
            users::confirm(client, user_id, now)
        }
    };
    done(confirmed.unwrap_or(user), "Email verified successfully")
}

fn invalid(message: &'static str) -> FieldError {
    FieldError::new("token", ErrorCode::TokenInvalid, message).with_hint(ErrorCode::TokenInvalid.hint())
}

#[pg_extern(security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn resend_verification(p_email: default!(Option<String>, "NULL")) -> Jsonb {
    let email = Email::parse(p_email.as_deref().unwrap_or_default());
    answer(Action::ResendVerification, |client, _| resend(client, email.as_ref().map_err(Clone::clone)?))
}

fn resend(client: &mut SpiClient<'_>, email: &Email) -> Result<Done<Resent>, Refusal> {
    let Some(LockedUser { summary: user, .. }) = users::lock_by_email(client, email.as_str()) else {
        let error = FieldError::new("email", ErrorCode::UserNotFound, "There is no user with this email.");
        return Err(error.with_hint(ErrorCode::UserNotFound.hint()).into());
    };
    if user.email_confirmed_at.is_some() {
        return Err(Refusal::of_user(user.id, email_exists()));
    }
    // Whoever asks may have put the address there: it is not theirs to confirm once somebody else holds the account.
    if credentials::of_email(client, email.as_str()).is_some_and(|found| found.is_held) {
        return Err(Refusal::of_user(user.id, held()));
    }
    let verification = issue_token(client, user.id, email.as_str(), verification_tokens::replace);
    let user_id = user.id;
    Ok(Done {
        status: 200,
        message: "A new token was issued".into(),
        user_id: Some(user_id),
        data: Resent { user, verification },
    })
}

fn held() -> FieldError {
    FieldError::new("email", ErrorCode::EmailExists, "The account of this address is in use.").with_hint(
        "Its user signs in, and confirms the address with a code: send_otp with p_purpose => 'confirmation'.",
    )
}
