//! Signing in, and what may be refused on the way.

use registrar_client::{ErrorCode, LogoutScope, NewUser, SecretString, SignIn, SignedIn};
use uuid::Uuid;

use super::codes_and_passwords;
use super::course::{Course, otherwise};
use super::stage::Stage;
use crate::failure::Failure;
use crate::steps::Ended;

/// More wrong passwords in a row than any setting allows.
const GUESSES: usize = 101;

/// A user who has a password.
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) password: SecretString,
    token: SecretString,
}

impl Person {
    fn signs_in(&self) -> SignIn {
        SignIn::with_email(&self.email, self.password.clone()).device_name("registrar selftest")
    }

    fn mistypes(&self) -> SignIn {
        SignIn::with_email(&self.email, Uuid::new_v4().to_string())
    }
}

/// Signs a user of its own in and out, and is refused in every way.
pub(super) async fn steps(stage: &Stage, course: &mut Course<'_>) {
    let client = &stage.client;
    let Some(person) = course.take("register a user with a password", register(stage)).await else { return };
    let early = client.sign_in(person.signs_in());
    course.provoke(ErrorCode::NotConfirmed, "sign in before the address is verified", early).await;
    if course.take("verify that address", verify(stage, &person)).await.is_none() {
        return;
    }
    let wrong = client.sign_in(person.mistypes());
    course.provoke(ErrorCode::InvalidCredentials, "sign in with a wrong password", wrong).await;
    if let Some(signed_in) = course.take("sign in", sign_in(stage, &person)).await {
        let session_token = SecretString::from(signed_in.tokens.session_token);
        course.take("refresh the session", refresh(stage, signed_in.tokens.refresh_token.into())).await;
        course.provoke(ErrorCode::TokenInvalid, "the session token before", client.get_session(session_token)).await;
    }
    if let Some(signed_in) = course.take("sign in again", sign_in(stage, &person)).await {
        let session_token = SecretString::from(signed_in.tokens.session_token);
        course.take("log out everywhere", log_out(stage, session_token.clone())).await;
        course.provoke(ErrorCode::SessionExpired, "the session after it", client.get_session(session_token)).await;
    }
    codes_and_passwords::steps(stage, course, &person).await;
    for (code, column) in [(ErrorCode::UserBanned, "banned_until"), (ErrorCode::UserDeleted, "deleted_at")] {
        if course.take(format!("set {column}"), set(stage, &person, column)).await.is_some() {
            course.provoke(code, "sign in", client.sign_in(person.signs_in())).await;
        }
    }
    course.take("locked: guess too often", guess(stage, &person)).await;
}

async fn register(stage: &Stage) -> Result<Ended<Person>, Failure> {
    let (email, password) = (stage.email("sign-in"), SecretString::from(Uuid::new_v4().to_string()));
    let registration = stage.client.register(NewUser::new(&email).password(password.clone())).await?;
    let verification = registration.verification.ok_or_else(|| otherwise("A new user got no token.".to_owned()))?;
    let person = Person { id: registration.user.id, email, password, token: verification.token.into() };
    Ok(Ended::done(person.email.clone(), person))
}

async fn verify(stage: &Stage, person: &Person) -> Result<Ended<()>, Failure> {
    stage.client.verify_email(person.token.clone()).await?;
    Ok(Ended::done("confirmed", ()))
}

async fn sign_in(stage: &Stage, person: &Person) -> Result<Ended<SignedIn>, Failure> {
    let signed_in = stage.client.sign_in(person.signs_in()).await?;
    if signed_in.user.id != person.id || signed_in.session.user_id != person.id {
        return Err(otherwise("The session is another user's.".to_owned()));
    }
    let what = match signed_in.tokens.access_token {
        Some(_) => "with an access token",
        None => "without an access token: set_jwt_secret was not called",
    };
    Ok(Ended::done(what, signed_in))
}

async fn refresh(stage: &Stage, token: SecretString) -> Result<Ended<()>, Failure> {
    let refreshed = stage.client.refresh_session(token).await?;
    stage.client.get_session(refreshed.tokens.session_token).await?;
    Ok(Ended::done("new tokens", ()))
}

async fn log_out(stage: &Stage, token: SecretString) -> Result<Ended<()>, Failure> {
    match stage.client.logout(token, LogoutScope::All).await?.ended {
        2 => Ok(Ended::done("two sessions ended", ())),
        ended => Err(otherwise(format!("{ended} sessions were ended in place of two."))),
    }
}

async fn set(stage: &Stage, person: &Person, column: &str) -> Result<Ended<()>, Failure> {
    let statement = format!("UPDATE auth.users SET {column} = now() + interval '1 hour' WHERE id = $1");
    stage.database.execute(&format!("{column} cannot be set"), &statement, &[&person.id]).await?;
    Ok(Ended::done("", ()))
}

/// How many guesses are answered is a setting.
async fn guess(stage: &Stage, person: &Person) -> Result<Ended<()>, Failure> {
    for guesses in 0..GUESSES {
        match stage.client.sign_in(person.mistypes()).await {
            Err(error) if error.code() == ErrorCode::InvalidCredentials.as_str() => {}
            Err(error) if error.code() == ErrorCode::Locked.as_str() => {
                return Ok(Ended::done(format!("refused with 423 after {guesses} wrong passwords"), ()));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(otherwise("A wrong password signed in.".to_owned())),
        }
    }
    Err(otherwise(format!("{GUESSES} wrong passwords were answered.")))
}
