//! `sign_in_with_password`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{Email, ErrorCode, FieldError, Password, PasswordHash, Phone, SecretHash, SignedIn};
use secrecy::SecretString;
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
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

/// How a user is named.
enum Identifier {
    Email(Email),
    Phone(Phone),
}

impl Identifier {
    /// Under which its attempts are counted, whether or not anybody has it.
    fn hash(&self) -> SecretHash {
        match self {
            Self::Email(email) => attempts::keyed_hash(&[b"email", email.as_str().as_bytes()]),
            Self::Phone(phone) => attempts::keyed_hash(&[b"phone", phone.digits().as_bytes()]),
        }
    }
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
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let region = settings::rules().default_phone_region;
        let identifier = match (given(email), given(phone)) {
            (Some(email), None) => Email::parse(&email).map(Identifier::Email),
            (None, Some(phone)) => Phone::parse(&phone, region).and_then(|phone| {
                let missing = || FieldError::invalid("phone", "A phone number is required.");
                phone.map(Identifier::Phone).ok_or_else(missing)
            }),
            (Some(_), Some(_)) => {
                Err(FieldError::invalid("phone", "Both an e-mail address and a phone number were sent.")
                    .with_hint("Send one of them."))
            }
            (None, None) => Err(FieldError::invalid("email", "An e-mail address or a phone number is required.")),
        };
        let password = match password.filter(|password| !password.is_empty()) {
            None => Err(FieldError::invalid("password", "A password is required.")),
            Some(password) if password.len() > Password::MAX_BYTES => {
                Err(FieldError::invalid("password", "The password is longer than 1024 bytes."))
            }
            Some(password) => Ok(SecretString::from(password)),
        };
        let device_name = given(device_name).map(|name| name.trim().to_owned());
        let too_long = device_name.as_ref().is_some_and(|name| name.chars().count() > MAX_DEVICE_NAME);
        let device_name = if too_long || device_name.as_ref().is_some_and(|name| name.contains(char::is_control)) {
            Err(FieldError::invalid("device_name", "The name of the device is not one line of up to 100 characters."))
        } else {
            Ok(device_name)
        };
        match (identifier, password, device_name) {
            (Ok(identifier), Ok(password), Ok(device_name)) => Ok(Self { identifier, password, device_name }),
            (identifier, password, device_name) => {
                Err([identifier.err(), password.err(), device_name.err()].into_iter().flatten().collect())
            }
        }
    }
}

/// Attempts with one identifier go one after the other, through whichever gateway: else a hundred at once would all be answered
/// before one is counted.
fn sign_in(client: &mut SpiClient<'_>, request: &Request) -> Result<Done<SignedIn>, Refusal> {
    let identifier = request.identifier.hash();
    attempts::take_turns(client, &identifier);
    check_limits(client, &identifier)?;
    let found = match &request.identifier {
        Identifier::Email(email) => credentials::of_email(client, email.as_str()),
        Identifier::Phone(phone) => credentials::of_phone(client, phone.digits()),
    };
    let user_id = found.as_ref().map(|found| found.user_id);
    let Some((found, hash)) = verified(found, &request.password) else {
        attempts::record(client, &identifier, Purpose::Password, false, user_id);
        return Err(kept(wrong(&request.identifier), user_id));
    };
    attempts::record(client, &identifier, Purpose::Password, true, user_id);
    check_standing(client, &found).map_err(|error| kept(error, user_id))?;
    let newer = hash.renewed(&request.password);
    let now = pg::transaction_start();
    let user = credentials::sign_in(client, &found, newer.as_ref().map(PasswordHash::expose), now);
    let user = user.ok_or_else(|| kept(wrong(&request.identifier), user_id))?;
    let signed_in = sessions::open(client, user, Method::Password, request.device_name.as_deref());
    let message = match signed_in.tokens.access_token {
        Some(_) => "Signed in",
        None => "Signed in; there is no access token, since registrar.jwt_secret is not set",
    };
    Ok(Done { status: 200, message: message.into(), user_id, data: signed_in })
}

/// The user whose password it is, with its hash. Where there is no user, or none with a password that can be verified, all is done
/// in the same way with a hash that is nobody's: even where memory is taken from can be told by the time.
fn verified(found: Option<Credentials>, password: &SecretString) -> Option<(Credentials, PasswordHash)> {
    let nobodys = PasswordHash::nobodys();
    let stored = found.as_ref().map_or(nobodys.expose(), |found| &found.stored);
    let parsed = PasswordHash::parse(stored.to_owned().into());
    let has_password = parsed.is_ok();
    let hash = parsed.unwrap_or(nobodys);
    let is_right = hash.verify(password) && has_password;
    found.filter(|_| is_right).map(|found| (found, hash))
}

/// # Errors
/// `locked` and `rate_limited`, with what is left to wait: such a call is not answered, and counts as no attempt.
fn check_limits(client: &mut SpiClient<'_>, identifier: &SecretHash) -> Result<(), Refusal> {
    let now = pg::transaction_start();
    let (failures, last) = attempts::failures(client, identifier, Purpose::Password);
    if let (Some(lockout), Some(last)) = (settings::sign_in_lockout(failures), last) {
        let left = now.seconds_until(last.plus_seconds(lockout));
        if left > 0 {
            let message = format!("Too many wrong passwords: wait for {left} seconds.");
            return Err(Refusal::Later { error: FieldError::of_call(ErrorCode::Locked, message), seconds: left });
        }
    }
    let Some(limit) = settings::sign_in_max_failures_per_address() else { return Ok(()) };
    let (failures, first) = attempts::failures_of_address(client, Purpose::Password);
    if failures >= limit {
        let left = first.map_or(1, |first| now.seconds_until(first.plus_seconds(15 * 60))).max(1);
        let error = FieldError::of_call(ErrorCode::RateLimited, "Too many wrong passwords from this address.");
        return Err(Refusal::Later { error, seconds: left });
    }
    Ok(())
}

/// # Errors
/// Why who has the right password cannot sign in.
fn check_standing(client: &mut SpiClient<'_>, found: &Credentials) -> Result<(), FieldError> {
    match users::standing(client, found.user_id) {
        Some(Standing::Good) if found.is_confirmed => Ok(()),
        Some(Standing::Good) => Err(FieldError::of_call(ErrorCode::NotConfirmed, ErrorCode::NotConfirmed.meaning())),
        Some(Standing::Banned) => Err(FieldError::of_call(ErrorCode::UserBanned, ErrorCode::UserBanned.meaning())),
        Some(Standing::Deleted) | None => {
            Err(FieldError::of_call(ErrorCode::UserDeleted, ErrorCode::UserDeleted.meaning()))
        }
    }
}

/// The same for an unknown user and a wrong password.
fn wrong(identifier: &Identifier) -> FieldError {
    let message = match identifier {
        Identifier::Email(_) => "The e-mail address or the password is wrong.",
        Identifier::Phone(_) => "The phone number or the password is wrong.",
    };
    FieldError::of_call(ErrorCode::InvalidCredentials, message)
}

fn kept(error: FieldError, user_id: Option<Uuid>) -> Refusal {
    Refusal::Kept { errors: vec![error], user_id }
}
