//! `sign_in_with_password`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, Password, PasswordHash, SignedIn};
use secrecy::SecretString;
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::identifier::Identifier;
use super::limits;
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::attempts::{self, Purpose};
use crate::store::audit_log::Action;
use crate::store::credentials::{self, Credentials};
use crate::store::sessions::{self, Method};
use crate::store::users::{self, Standing};

/// Longest name of a device, in characters.
const MAX_DEVICE_NAME: usize = 100;

#[pg_extern(security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn sign_in_with_password(
    p_email: default!(Option<String>, "NULL"),
    p_phone: default!(Option<String>, "NULL"),
    p_password: default!(Option<String>, "NULL"),
    p_device_name: default!(Option<String>, "NULL"),
) -> Jsonb {
    let request = Request::check(p_email, p_phone, p_password, p_device_name);
    answer(Action::SignIn, |client, _| match &request {
        Ok(request) => sign_in(client, request),
        Err(errors) => Err(Refusal::Errors { errors: errors.clone(), user_id: None }),
    })
}

struct Request {
    identifier: Identifier,
    password: SecretString,
    device_name: Option<String>,
}

impl Request {
    /// # Errors
    /// One for each parameter that cannot be meant.
    fn check(
        email: Option<String>,
        phone: Option<String>,
        password: Option<String>,
        device_name: Option<String>,
    ) -> Result<Self, Vec<FieldError>> {
        let identifier = Identifier::parse(email, phone, None);
        let password = sent_password("password", password);
        let device_name = device_name_of(device_name);
        match (identifier, password, device_name) {
            (Ok(identifier), Ok(password), Ok(device_name)) => Ok(Self { identifier, password, device_name }),
            (identifier, password, device_name) => {
                Err([identifier.err(), password.err(), device_name.err()].into_iter().flatten().collect())
            }
        }
    }
}

/// A password that is to be compared with a stored one: of whatever length the policy asks of new ones.
///
/// # Errors
/// `validation_failed` where there is none, or more than any password has.
pub(super) fn sent_password(field: &'static str, password: Option<String>) -> Result<SecretString, FieldError> {
    match password.filter(|password| !password.is_empty()) {
        None => Err(FieldError::invalid(field, "A password is required.")),
        Some(password) if password.len() > Password::MAX_BYTES => {
            Err(FieldError::invalid(field, "The password is longer than 1024 bytes."))
        }
        Some(password) => Ok(password.into()),
    }
}

/// What the user calls the device.
///
/// # Errors
/// `validation_failed` where it is not one line of up to 100 characters.
pub(super) fn device_name_of(typed: Option<String>) -> Result<Option<String>, FieldError> {
    let name = typed.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let is_line = |name: &String| name.chars().count() <= MAX_DEVICE_NAME && !name.contains(char::is_control);
    if name.as_ref().is_none_or(is_line) {
        return Ok(name);
    }
    Err(FieldError::invalid("device_name", "The name of the device is not one line of up to 100 characters."))
}

/// Attempts with one identifier go one after the other, through whichever gateway: else a hundred at once would all be answered
/// before one is counted.
fn sign_in(client: &mut SpiClient<'_>, request: &Request) -> Result<Done<SignedIn>, Refusal> {
    let identifier = request.identifier.hash();
    attempts::take_turns(&identifier);
    limits::check_passwords(client, &identifier)?;
    let found = request.identifier.credentials(client);
    let user_id = found.as_ref().map(|found| found.user_id);
    let Some((found, hash)) = verified(client, found, &request.password) else {
        attempts::record(client, &identifier, Purpose::Password, false, user_id);
        return Err(kept(wrong(&request.identifier), user_id));
    };
    attempts::record(client, &identifier, Purpose::Password, true, user_id);
    // Whether the user may sign in is asked in the statement that records it, and why not only where it is so.
    let user = if found.is_confirmed {
        let newer = hash.renewed(&settings::hash_policy(), &request.password);
        credentials::sign_in(client, &found, newer.as_ref().map(PasswordHash::expose), pg::transaction_start())
    } else {
        None
    };
    let Some(user) = user else {
        check_standing(client, found.user_id, found.is_confirmed).map_err(|error| kept(error, user_id))?;
        return Err(kept(wrong(&request.identifier), user_id));
    };
    Ok(signed_in(sessions::open(client, user, Method::Password, request.device_name.as_deref())))
}

/// The answer to whoever has a session now.
pub(super) fn signed_in(data: SignedIn) -> Done<SignedIn> {
    let message = if data.tokens.access_token.is_none() && Caller::outer().is_trusted() {
        "Signed in; there is no access token, since set_jwt_secret was not called"
    } else {
        "Signed in"
    };
    Done { status: 200, message: message.into(), user_id: Some(data.user.id), data }
}

/// The user whose password it is, with its hash. Where there is no user, or none with a password that can be verified, all is done
/// in the same way with a hash that is nobody's: even where memory is taken from can be told by the time.
pub(super) fn verified(
    client: &mut SpiClient<'_>,
    found: Option<Credentials>,
    password: &SecretString,
) -> Option<(Credentials, PasswordHash)> {
    let policy = settings::hash_policy();
    let stored = found.as_ref().and_then(|found| found.hash(client, &policy));
    let has_password = stored.is_some();
    let hash = stored.unwrap_or_else(|| PasswordHash::nobodys(&policy));
    let is_right = hash.verify(password) && has_password;
    found.filter(|_| is_right).map(|found| (found, hash))
}

/// # Errors
/// Why who has proved to be that user cannot sign in.
pub(super) fn check_standing(client: &mut SpiClient<'_>, user_id: Uuid, is_confirmed: bool) -> Result<(), FieldError> {
    let code = match users::standing(client, user_id) {
        Some(Standing::Good) if is_confirmed => return Ok(()),
        Some(Standing::Good) => ErrorCode::NotConfirmed,
        Some(Standing::Banned) => ErrorCode::UserBanned,
        Some(Standing::Deleted) | None => ErrorCode::UserDeleted,
    };
    Err(FieldError::of_call(code, code.meaning()))
}

/// The same for an unknown user and a wrong password.
fn wrong(identifier: &Identifier) -> FieldError {
    let message = match identifier {
        Identifier::Email(_) => "The e-mail address or the password is wrong.",
        Identifier::Phone(_) => "The phone number or the password is wrong.",
    };
    FieldError::of_call(ErrorCode::InvalidCredentials, message)
}

/// A refusal of which what was written stays: the attempt was counted.
pub(super) fn kept(error: FieldError, user_id: Option<Uuid>) -> Refusal {
    Refusal::Kept { errors: vec![error], user_id }
}
