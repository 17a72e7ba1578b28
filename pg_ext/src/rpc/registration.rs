//! `register_user_with_token`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{
    Email, ErrorCode, FieldError, IdempotencyKey, PasswordHash, RegisterRequest, Registration, Token, UserSummary,
    Verification,
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use crate::pg::{Jsonb, transaction_start};
use crate::settings;
use crate::store::audit_log::Action;
use crate::store::pending_registrations::{self, PendingRegistration};
use crate::store::profile_filling;
use crate::store::profiles::Row;
use crate::store::users::{self, LockedUser, NewUser};
use crate::store::verification_tokens::{self, NewToken};
use crate::store::{idempotency_keys, identities, roles};

#[pg_extern(security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments)]
fn register_user_with_token(
    p_email: default!(Option<String>, "NULL"),
    p_phone: default!(Option<String>, "NULL"),
    p_password_hash: default!(Option<String>, "NULL"),
    p_full_name: default!(Option<String>, "NULL"),
    p_role: default!(Option<String>, "NULL"),
    p_password: default!(Option<String>, "NULL"),
    p_metadata: default!(Option<Jsonb>, "NULL"),
    p_idempotency_key: default!(Option<String>, "NULL"),
) -> Jsonb {
    let request = RegisterRequest {
        email: p_email,
        phone: p_phone,
        password_hash: p_password_hash.map(SecretString::from),
        full_name: p_full_name,
        password: p_password.map(SecretString::from),
        metadata: p_metadata.map(Jsonb::into_text),
        idempotency_key: p_idempotency_key,
    };
    // Hashed here, before any row is locked.
    let registrant = request.check(&settings::rules()).map(|checked| Registrant {
        email: checked.email,
        phone: checked.phone.map(|phone| phone.digits().to_owned()),
        password_hash: checked.credential.map(|credential| credential.into_hash(&settings::hash_policy())),
        metadata: checked.metadata.into_object(),
        idempotency_key: checked.idempotency_key,
    });
    answer(Action::Register, |client, raced| match (&registrant, roles::resolve(client, p_role.as_deref())) {
        (Ok(registrant), Ok(role)) => register(client, registrant, &role, raced),
        (Ok(_), Err(error)) => Err(error.into()),
        (Err(errors), role) => {
            let errors = errors.iter().cloned().chain(role.err()).collect();
            Err(Refusal::Errors { errors, user_id: None })
        }
    })
}

/// A checked registration in the form in which it is stored.
struct Registrant {
    email: Email,
    phone: Option<String>,
    password_hash: Option<PasswordHash>,
    metadata: Map<String, Value>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Inserts first and asks afterwards: on the common path nothing is looked up, and the unique indexes decide a race. Where
/// one of them refuses the row, the call is undone and tried again.
fn register(
    client: &mut SpiClient<'_>,
    registrant: &Registrant,
    role: &str,
    raced: bool,
) -> Result<Done<Registration<Row>>, Refusal> {
    if raced && let Some(done) = register_again(client, registrant, role)? {
        return Ok(done);
    }
    if registrant.phone.is_some() && !users::keeps_phones(client) {
        return Err(users::no_phones().into());
    }
    let now = transaction_start();
    let (id, email) = (Uuid::new_v4(), registrant.email.as_str());
    let claims = users::claims(id, email, false, &registrant.metadata).into();
    let user = NewUser {
        id,
        email: Some(email),
        phone: registrant.phone.as_deref(),
        password_hash: registrant.password_hash.as_ref().map(PasswordHash::expose),
        role,
        claims: &claims,
    };
    let profile = profile_filling::filled_by(user.id, || users::insert(client, &user, now))?;
    identities::insert(client, user.id, user.provider(), &claims, now);
    claim_key(client, registrant, user.id)?;
    let verification = issue_token(client, user.id, email, verification_tokens::insert);
    let summary = UserSummary {
        id: user.id,
        email: Some(email.to_owned()),
        phone: user.phone.map(|digits| format!("+{digits}")),
        role: Some(role.to_owned()),
        email_confirmed_at: None,
        created_at: now.to_utc(),
        updated_at: now.to_utc(),
    };
    let message = if profile.is_some() { "User and profile created successfully" } else { "User created successfully" };
    let data = Registration { user: summary, profile, verification: Some(verification) };
    Ok(Done { status: 201, message: message.into(), user_id: Some(user.id), data })
}

/// A registration of an e-mail address or phone number that a user has already; `None` where it is free by now.
fn register_again(
    client: &mut SpiClient<'_>,
    registrant: &Registrant,
    role: &str,
) -> Result<Option<Done<Registration<Row>>>, Refusal> {
    let now = transaction_start();
    let user = users::lock_by_email(client, registrant.email.as_str());
    let phone_owner = registrant.phone.as_deref().and_then(|digits| users::phone_owner(client, digits));
    let Some(LockedUser { summary: user, is_in_use }) = user else {
        return match phone_owner {
            Some(owner) => Err(Refusal::of_user(owner, phone_exists())),
            None => Ok(None),
        };
    };
    if user.email_confirmed_at.is_some() {
        let key = registrant.idempotency_key.as_ref();
        if !key.is_some_and(|key| idempotency_keys::names(client, key, user.id, now)) {
            return Err(Refusal::of_user(user.id, email_exists()));
        }
        let message = "User was registered before and is verified";
        return Ok(Some(registered_before(user, None, message)));
    }
    if is_in_use {
        return Err(Refusal::of_user(user.id, email_exists()));
    }
    if phone_owner.is_some_and(|owner| owner != user.id) {
        return Err(Refusal::of_user(user.id, phone_exists()));
    }
    claim_key(client, registrant, user.id)?;
    let pending = PendingRegistration {
        password_hash: registrant.password_hash.as_ref().map(|hash| hash.expose().to_owned()),
        phone: registrant.phone.clone(),
        role: role.to_owned(),
        metadata: registrant.metadata.clone(),
    };
    pending_registrations::replace(client, user.id, &pending, now);
    let verification = issue_token(client, user.id, registrant.email.as_str(), verification_tokens::replace);
    let message = "User is waiting for verification; a new token was issued";
    Ok(Some(registered_before(user, Some(verification), message)))
}

fn registered_before(
    user: UserSummary,
    verification: Option<Verification>,
    message: &'static str,
) -> Done<Registration<Row>> {
    let (user_id, profile) = (user.id, profile_filling::primary_of(user.id));
    Done {
        status: 200,
        message: message.into(),
        user_id: Some(user_id),
        data: Registration { user, profile, verification },
    }
}

fn claim_key(client: &mut SpiClient<'_>, registrant: &Registrant, user_id: Uuid) -> Result<(), Refusal> {
    let Some(key) = &registrant.idempotency_key else { return Ok(()) };
    if idempotency_keys::claim(client, key, user_id, transaction_start()) {
        return Ok(());
    }
    Err(FieldError::invalid("idempotency_key", "The idempotency key was used for another registration.")
        .with_hint("Send a new UUID for each registration, and the same one when you retry it.")
        .into())
}

/// Makes the only live token of a user, to be sent to that address; `store` inserts it, or replaces an older one.
pub(super) fn issue_token(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    email: &str,
    store: fn(&mut SpiClient<'_>, &NewToken<'_>),
) -> Verification {
    let token = Token::generate(user_id);
    let now = transaction_start();
    let expires_at = now.plus_seconds(settings::verification_token_lifetime());
    store(client, &NewToken { token: &token, email, now, expires_at });
    Verification { token: token.expose().to_owned(), expires_at: expires_at.to_utc() }
}

/// The answer where a confirmed user has the address.
pub(super) fn email_exists() -> FieldError {
    FieldError::new("email", ErrorCode::EmailExists, "This email is already in use.")
        .with_hint(ErrorCode::EmailExists.hint())
}

/// The answer where another user has the number.
pub(super) fn phone_exists() -> FieldError {
    FieldError::new("phone", ErrorCode::PhoneExists, "This phone number is already in use.")
        .with_hint(ErrorCode::PhoneExists.hint())
}
