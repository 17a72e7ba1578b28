//! One-time codes, and passwords that are changed and reset.

use registrar_client::CodePurpose::SignIn as ToSignIn;
use registrar_client::{ErrorCode, OtpProof, PasswordChange, Recipient, SecretString, SignIn};
use uuid::Uuid;

use super::course::{Course, otherwise};
use super::signing_in::Person;
use super::stage::Stage;
use crate::failure::Failure;
use crate::steps::Ended;

/// More messages in an hour than any setting allows.
const MESSAGES: usize = 1001;

/// Signs a verified user in by a code, and changes the password there and back.
pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>, person: &Person) {
    let client = &stage.client;
    if let Some(code) = course.take("make a one-time code", make_code(stage, person)).await {
        let proof = OtpProof::new(Recipient::email(&person.email), code);
        course.take("sign in by it", by_code(stage, person, proof.clone())).await;
        course.provoke(ErrorCode::OtpExpired, "the code a second time", client.verify_otp(proof)).await;
        course.take("rate_limited: ask for codes too often", ask_too_often(stage, person)).await;
    }
    let new = SecretString::from(Uuid::new_v4().to_string());
    course.take("change the password", change(stage, person, &new)).await;
    course.take("reset it by a token", reset(stage, person)).await;
}

async fn make_code(stage: &Stage, person: &Person) -> Result<Ended<SecretString>, Failure> {
    let sent = stage.client.send_otp(&Recipient::email(&person.email), ToSignIn).await?;
    let code = sent.code.ok_or_else(|| otherwise("The key of service_role got no code.".to_owned()))?;
    Ok(Ended::done("six digits", code.into()))
}

async fn by_code(stage: &Stage, person: &Person, proof: OtpProof) -> Result<Ended<()>, Failure> {
    let signed_in = stage.client.verify_otp(proof).await?;
    if signed_in.user.id != person.id {
        return Err(otherwise("The session is another user's.".to_owned()));
    }
    Ok(Ended::done("a session", ()))
}

/// How many are sent is a setting.
async fn ask_too_often(stage: &Stage, person: &Person) -> Result<Ended<()>, Failure> {
    for sent in 1..=MESSAGES {
        match stage.client.send_otp(&Recipient::email(&person.email), ToSignIn).await {
            Err(error) if error.code() == ErrorCode::RateLimited.as_str() => {
                return Ok(Ended::done(format!("refused with 429 after {sent} codes"), ()));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
    }
    Err(otherwise(format!("{MESSAGES} codes were made within an hour.")))
}

async fn change(stage: &Stage, person: &Person, new: &SecretString) -> Result<Ended<()>, Failure> {
    let sign_in = |password: &SecretString| SignIn::with_email(&person.email, password.clone());
    let signed_in = stage.client.sign_in(sign_in(&person.password)).await?;
    let change = PasswordChange::within(signed_in.tokens.session_token, new.clone()).current(person.password.clone());
    let changed = stage.client.change_password(change).await?;
    stage.client.sign_in(sign_in(new)).await?;
    Ok(Ended::done(format!("{} other sessions ended", changed.sessions_ended), ()))
}

async fn reset(stage: &Stage, person: &Person) -> Result<Ended<()>, Failure> {
    let requested = stage.client.request_password_reset(&person.email).await?;
    let reset = requested.reset.ok_or_else(|| otherwise("The key of service_role got no token.".to_owned()))?;
    let changed = stage.client.reset_password(reset.token, person.password.clone()).await?;
    stage.client.sign_in(SignIn::with_email(&person.email, person.password.clone())).await?;
    Ok(Ended::done(format!("{} sessions ended", changed.sessions_ended), ()))
}
