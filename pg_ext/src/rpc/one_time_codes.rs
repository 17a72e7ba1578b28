//! `send_otp` and `verify_otp`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{CodePurpose, ErrorCode, FieldError, OneTimeCode, OtpSent, SecretHash, SignedIn};
use serde_json::Map;
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::identifier::Identifier;
use super::limits;
use super::sign_in::{check_standing, device_name_of, kept, signed_in};
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::attempts::{self, Purpose};
use crate::store::audit_log::Action;
use crate::store::confirmations::{self, Besides};
use crate::store::credentials::Credentials;
use crate::store::message_sender::{self, Message};
use crate::store::one_time_codes::{self, StoredCode};
use crate::store::sessions::{self, Method};
use crate::store::users::{self, NewUser};
use crate::store::{identities, roles};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn send_otp(
    p_mobile: default!(Option<String>, "NULL"),
    p_phone: default!(Option<String>, "NULL"),
    p_email: default!(Option<String>, "NULL"),
    p_purpose: default!(Option<&str>, "'sign_in'"),
) -> Jsonb {
    let recipient = Identifier::parse(p_email, p_phone, p_mobile);
    let purpose = purpose_of(p_purpose);
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::SendOtp, |client, _| match (&recipient, &purpose) {
            (Ok(recipient), Ok(purpose)) => send(client, caller, recipient, *purpose),
            (recipient, purpose) => Err(errors([recipient.as_ref().err(), purpose.as_ref().err()])),
        })
    })
}

fn purpose_of(name: Option<&str>) -> Result<CodePurpose, FieldError> {
    CodePurpose::parse(name.unwrap_or("sign_in")).ok_or_else(|| {
        FieldError::invalid("purpose", "There is no such purpose.").with_hint("Purposes are: sign_in, confirmation.")
    })
}

/// Calls for one recipient go one after the other, so that the second of two at once comes too soon.
fn send(
    client: &mut SpiClient<'_>,
    caller: Caller,
    recipient: &Identifier,
    purpose: CodePurpose,
) -> Result<Done<OtpSent>, Refusal> {
    let hash = recipient.hash();
    let is_trusted = caller.is_trusted();
    limits::check_sender(client, caller)?;
    check_purpose(client, caller, recipient, purpose)?;
    attempts::take_turns(&hash);
    limits::check_sends(client, &hash, Purpose::SendOtp)?;
    let found = recipient.credentials(client).map(|found| found.user_id);
    let (user_id, refused) = match found {
        Some(user_id) => (Some(user_id), check_standing(client, user_id, true).err()),
        None if settings::otp_creates_users() => (Some(create(client, recipient)?), None),
        None => (None, Some(unknown(recipient))),
    };
    attempts::record(client, &hash, Purpose::SendOtp, refused.is_none(), user_id);
    let user_id = match refused {
        Some(error) if is_trusted => return Err(kept(error, user_id)),
        // Nobody's code is right, and a visitor does not learn it.
        Some(_) => None,
        None => user_id,
    };
    let status = if is_trusted && found.is_none() { 201 } else { 200 };
    let code = OneTimeCode::generate();
    let now = pg::transaction_start();
    let expires_at = now.plus_seconds(settings::otp_lifetime());
    one_time_codes::replace(client, &hash, purpose, user_id, &code, (now, expires_at));
    let mut data = OtpSent {
        channel: recipient.channel(),
        recipient: recipient.recipient().to_owned(),
        purpose,
        code: Some(code.expose().to_owned()),
        expires_at: expires_at.to_utc(),
    };
    if !is_trusted {
        if let Some(user_id) = user_id {
            message_sender::send(client, Action::SendOtp, user_id, &Message::OneTimeCode { user_id, sent: &data });
        }
        data.code = None;
    }
    Ok(Done { status, message: "A code was made".into(), user_id, data })
}

/// A code to confirm with proves less than one to sign in with: that its user is known is what the back end answers for, or else the access
/// token. Without, whoever reads the messages of a number that somebody mistyped would get their account.
///
/// # Errors
/// `forbidden`, whether or not there is such a user.
fn check_purpose(
    client: &mut SpiClient<'_>,
    caller: Caller,
    recipient: &Identifier,
    purpose: CodePurpose,
) -> Result<(), Refusal> {
    if purpose == CodePurpose::SignIn || caller.is_trusted() {
        return Ok(());
    }
    let own = caller.user_id();
    let is_own = own.is_some() && own == recipient.credentials(client).map(|found| found.user_id);
    let message = "Only a user who is signed in confirms an address or number, and only the own.";
    if is_own { Ok(()) } else { Err(FieldError::of_call(ErrorCode::Forbidden, message).into()) }
}

fn unknown(recipient: &Identifier) -> FieldError {
    let message = match recipient {
        Identifier::Email(_) => "There is no user with this email.",
        Identifier::Phone(_) => "There is no user with this phone number.",
    };
    FieldError::new(recipient.field(), ErrorCode::UserNotFound, message)
        .with_hint("Register the user, or set registrar.otp_creates_users.")
}

/// Makes a user of whom nothing is known but an address or number, which is not confirmed yet.
fn create(client: &mut SpiClient<'_>, recipient: &Identifier) -> Result<Uuid, Refusal> {
    let (id, now) = (Uuid::new_v4(), pg::transaction_start());
    let role = roles::resolve(client, None)?;
    let (email, phone, claims) = match recipient {
        Identifier::Email(email) => (Some(email.as_str()), None, users::claims(id, email.as_str(), false, &Map::new())),
        Identifier::Phone(phone) => (None, Some(phone.digits()), users::phone_claims(id, phone.digits(), &Map::new())),
    };
    if phone.is_some() && !users::keeps_phones(client) {
        return Err(users::no_phones().into());
    }
    let claims = claims.into();
    let user = NewUser { id, email, phone, password_hash: None, role: &role, claims: &claims };
    users::insert(client, &user, now)?;
    identities::insert(client, id, user.provider(), &claims, now);
    Ok(id)
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn verify_otp(
    p_mobile: default!(Option<String>, "NULL"),
    p_phone: default!(Option<String>, "NULL"),
    p_email: default!(Option<String>, "NULL"),
    p_code: default!(Option<&str>, "NULL"),
    p_purpose: default!(Option<&str>, "'sign_in'"),
    p_device_name: default!(Option<String>, "NULL"),
) -> Jsonb {
    let recipient = Identifier::parse(p_email, p_phone, p_mobile);
    let code = code_of(p_code);
    let purpose = purpose_of(p_purpose);
    let device_name = device_name_of(p_device_name);
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::VerifyOtp, |client, _| match (&recipient, &code, &purpose, &device_name) {
            (Ok(recipient), Ok(code), Ok(purpose), Ok(device_name)) => {
                let proof = Proof { caller, recipient, code, purpose: *purpose };
                proof.sign_in(client, device_name.as_deref())
            }
            (recipient, code, purpose, device_name) => Err(errors([
                recipient.as_ref().err(),
                code.as_ref().err(),
                purpose.as_ref().err(),
                device_name.as_ref().err(),
            ])),
        })
    })
}

fn code_of(typed: Option<&str>) -> Result<OneTimeCode, FieldError> {
    match typed.filter(|typed| !typed.trim().is_empty()) {
        None => Err(FieldError::invalid("code", "A code is required.")),
        Some(typed) => {
            OneTimeCode::parse(typed).ok_or_else(|| FieldError::invalid("code", "The code is not six digits."))
        }
    }
}

fn errors<const N: usize>(errors: [Option<&FieldError>; N]) -> Refusal {
    Refusal::Errors { errors: errors.into_iter().flatten().cloned().collect(), user_id: None }
}

/// A code that somebody shows.
struct Proof<'a> {
    caller: Caller,
    recipient: &'a Identifier,
    code: &'a OneTimeCode,
    purpose: CodePurpose,
}

impl Proof<'_> {
    /// Uses the code up, confirms where it was sent to, and opens a session.
    fn sign_in(&self, client: &mut SpiClient<'_>, device_name: Option<&str>) -> Result<Done<SignedIn>, Refusal> {
        let hash = self.recipient.hash();
        check_purpose(client, self.caller, self.recipient, self.purpose)?;
        limits::check_failures_of_address(client, Purpose::Otp, "Too many wrong codes from this address.")?;
        let user_id = self.verify(client, &hash)?;
        let refused = |error| kept(error, Some(user_id));
        // The user is locked first, so that what is read of it next stays as it is.
        users::lock_by_id(client, user_id);
        let found = self.recipient.credentials(client).filter(|found| found.user_id == user_id);
        let found = found.ok_or_else(|| refused(expired("Somebody else has the address or number by now.")))?;
        check_standing(client, user_id, self.may_confirm(&found)).map_err(refused)?;
        let drops_unproven = self.purpose == CodePurpose::SignIn && !found.is_confirmed;
        let besides = Besides { signs_in: true, drops_unproven };
        let now = pg::transaction_start();
        let user = confirmations::confirm(client, user_id, self.recipient.channel(), besides, now);
        let user = user.ok_or_else(|| refused(expired("The user is gone.")))?;
        Ok(signed_in(sessions::open(client, user, Method::Otp, device_name)))
    }

    /// Every guess is counted while the code is locked, so that of a hundred at once no more are compared than may be.
    fn verify(&self, client: &mut SpiClient<'_>, hash: &SecretHash) -> Result<Uuid, Refusal> {
        let wrong = |client: &mut SpiClient<'_>, user_id| {
            attempts::record(client, hash, Purpose::Otp, false, user_id);
            let error = FieldError::new("code", ErrorCode::InvalidCredentials, "The code is wrong.");
            kept(error.with_hint("Type in the newest one, or ask for another with send_otp."), user_id)
        };
        let Some(stored) = one_time_codes::lock(client, hash, self.purpose) else { return Err(wrong(client, None)) };
        if stored.tries >= settings::otp_max_tries() {
            let error = expired("The code was guessed at too often, and is void.");
            return Err(Refusal::Errors { errors: vec![error], user_id: stored.user_id });
        }
        one_time_codes::count_try(client, hash, self.purpose);
        let StoredCode { user_id: Some(user_id), .. } = stored else { return Err(wrong(client, None)) };
        if !stored.is(hash, self.purpose, self.code) {
            return Err(wrong(client, Some(user_id)));
        }
        let now = pg::transaction_start();
        if stored.is_used {
            return Err(kept(expired("The code was already used."), Some(user_id)));
        }
        if stored.expires_at <= now {
            return Err(kept(expired("The code has expired."), Some(user_id)));
        }
        one_time_codes::use_up(client, hash, self.purpose, now);
        attempts::record(client, hash, Purpose::Otp, true, Some(user_id));
        Ok(user_id)
    }

    /// Whether the code makes its holder the account's. An address or number that was never confirmed may have been put there by anybody:
    /// where somebody else holds the account, the holder must say so by asking for a code to confirm with.
    fn may_confirm(&self, found: &Credentials) -> bool {
        found.is_confirmed || !found.is_held || self.purpose == CodePurpose::Confirmation
    }
}

fn expired(message: &'static str) -> FieldError {
    FieldError::new("code", ErrorCode::OtpExpired, message).with_hint(ErrorCode::OtpExpired.hint())
}
