//! Registering, verifying, and what may be refused on the way.

use registrar_client::{ErrorCode, ExposeSecret as _, NewUser, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::course::{Course, otherwise};
use super::fictional_phone;
use super::stage::Stage;
use crate::failure::Failure;
use crate::steps::Ended;

/// Where no number is free after so many, somebody else uses them for what they are for.
const NUMBERS_TRIED: usize = 50;

/// A user who waits for verification.
struct Waiting {
    id: Uuid,
    phone: String,
    token: SecretString,
}

/// Brings a user from the registration to the verified address; returns the user's id.
pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>) -> Option<Uuid> {
    let email = stage.email("user");
    let first = course.take("register a user", register(stage, &email)).await?;
    let second = course.take("register the address again", register_again(stage, &email, &first)).await?;
    let used = ErrorCode::TokenInvalid;
    course.provoke(used, "a token that a newer one replaced", stage.client.verify_email(first.token)).await;
    if course.take("move the token's end into the past", expire(stage, first.id)).await.is_some() {
        course.provoke(ErrorCode::TokenExpired, "that token", stage.client.verify_email(second)).await;
    }
    let third = course.take("resend the verification", resend(stage, &email)).await?;
    course.take("verify the address", verify(stage, &third, first.id)).await?;
    course.provoke(used, "a token that is used up", stage.client.verify_email(third)).await;

    let client = &stage.client;
    let again = client.register(NewUser::new(&email));
    course.provoke(ErrorCode::EmailExists, "register a verified address", again).await;
    let same_phone = client.register(NewUser::new(stage.email("phone")).phone(&first.phone));
    course.provoke(ErrorCode::PhoneExists, "register another's phone number", same_phone).await;
    let nowhere = client.resend_verification(stage.email("nobody"));
    course.provoke(ErrorCode::UserNotFound, "resend to an unknown address", nowhere).await;
    let malformed = client.register(NewUser::new("registrar-selftest"));
    course.provoke(ErrorCode::ValidationFailed, "register what is no address", malformed).await;
    // Hashed here, the client itself would refuse it.
    let weak = client.register(NewUser::new(stage.email("weak")).hash_in_database(true).password("short"));
    course.provoke(ErrorCode::WeakPassword, "register with a short password", weak).await;
    let role = client.register(NewUser::new(stage.email("role")).role("registrar_selftest_no_such_role"));
    course.provoke(ErrorCode::InvalidRole, "register with an unknown role", role).await;
    Some(first.id)
}

async fn register(stage: &Stage, email: &str) -> Result<Ended<Waiting>, Failure> {
    let phone = free_phone(stage).await?;
    let user = NewUser::new(email)
        .full_name("Registrar Selftest")
        .phone(&phone)
        .password(Uuid::new_v4().to_string())
        .metadata(json!({"first_name": "Registrar", "last_name": "Selftest"}));
    let registration = stage.client.register(user).await?;
    let verification = registration.verification.ok_or_else(|| otherwise("A new user got no token.".to_owned()))?;
    let waiting = Waiting { id: registration.user.id, phone, token: verification.token.into() };
    Ok(Ended::done(email, waiting))
}

async fn free_phone(stage: &Stage) -> Result<String, Failure> {
    let (_, start) = Uuid::new_v4().as_u64_pair();
    let start = usize::try_from(start % 1000).unwrap_or_default();
    for phone in (start..start + NUMBERS_TRIED).map(fictional_phone::number) {
        let taken = "SELECT FROM auth.users WHERE phone = ANY (ARRAY[$1, ltrim($1, '+')])";
        if stage.database.rows("Phone numbers cannot be looked up", taken, &[&phone]).await?.is_empty() {
            return Ok(phone);
        }
    }
    Err(Failure::Unmet {
        exit_code: 1,
        code: "no_free_phone",
        message: "None of the fictional phone numbers that were looked at is free.".to_owned(),
        hint: "Remove users with numbers like +1 202 555 0100.".to_owned(),
    })
}

async fn register_again(stage: &Stage, email: &str, first: &Waiting) -> Result<Ended<SecretString>, Failure> {
    let user = NewUser::new(email).full_name("Registrar Selftest").phone(&first.phone);
    let registration = stage.client.register(user).await?;
    if registration.user.id != first.id {
        return Err(otherwise("One address has two users.".to_owned()));
    }
    match registration.verification.map(|verification| verification.token) {
        Some(token) if token != first.token.expose_secret() => {
            Ok(Ended::done("another token for the same user", token.into()))
        }
        _ => Err(otherwise("The registration brought no new token.".to_owned())),
    }
}

async fn expire(stage: &Stage, user: Uuid) -> Result<Ended<()>, Failure> {
    let statement = "UPDATE registrar_private.verification_tokens
                     SET created_at = created_at - interval '1 day', expires_at = created_at - interval '1 hour'
                     WHERE user_id = $1";
    match stage.database.execute("The token's end cannot be moved", statement, &[&user]).await? {
        1 => Ok(Ended::done("", ())),
        rows => Err(otherwise(format!("The user has {rows} tokens in place of one."))),
    }
}

async fn resend(stage: &Stage, email: &str) -> Result<Ended<SecretString>, Failure> {
    let resent = stage.client.resend_verification(email).await?;
    Ok(Ended::done("a new token", resent.verification.token.into()))
}

async fn verify(stage: &Stage, token: &SecretString, user: Uuid) -> Result<Ended<()>, Failure> {
    let verified = stage.client.verify_email(token.clone()).await?;
    if verified.user.id != user || verified.user.email_confirmed_at.is_none() {
        return Err(otherwise("The token did not confirm its user's address.".to_owned()));
    }
    Ok(Ended::done("confirmed", ()))
}
