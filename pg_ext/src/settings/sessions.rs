//! The settings of sessions and access tokens.

use std::ffi::CString;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use secrecy::SecretString;

use super::Number;

const DAY: i32 = 24 * 3600;

/// 30 days: after that a user signs in again however active (NIST SP 800-63B-4 §2.1.3, AAL1).
static SESSION_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(30 * DAY);

/// 7 days: a device that nobody used for a week may have changed hands; NIST leaves it open at AAL1, OWASP (Session Management)
/// asks for the least that the app bears.
static SESSION_IDLE_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(7 * DAY);

/// 1 hour: how long a session token that was copied serves its thief; each refresh replaces it.
static SESSION_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(3600);

/// 10 seconds: two tabs, or a retry after a lost answer, refresh within that time; a thief comes later (Auth0 and Supabase Auth
/// have the same default).
static REFRESH_GRACE: GucSetting<i32> = GucSetting::<i32>::new(10);

/// 15 minutes: who checks an access token by its signature alone learns of a logout when it expires (RFC 9700 §2.2.2 asks
/// for short lives).
static ACCESS_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(15 * 60);

/// Empty: there is no secret that would be one for everybody, and `set_jwt_secret` keeps it from more eyes.
static JWT_SECRET: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

pub(super) fn define() {
    let settings = [
        Number {
            name: c"registrar.session_lifetime",
            meaning: c"How long a session lasts however often it is refreshed.",
            detail: c"The setting in force when the user signs in decides.",
            setting: &SESSION_LIFETIME,
            range: 60..=365 * DAY,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.session_idle_timeout",
            meaning: c"How long a session lasts without being refreshed.",
            detail: c"The setting in force at the last refresh decides.",
            setting: &SESSION_IDLE_TIMEOUT,
            range: 60..=365 * DAY,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.session_token_lifetime",
            meaning: c"How long a session token is valid before refresh_session must replace it.",
            detail: c"The session itself lasts longer.",
            setting: &SESSION_TOKEN_LIFETIME,
            range: 60..=365 * DAY,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.refresh_grace",
            meaning: c"How long after its use a refresh token may come a second time.",
            detail: c"Later it ends the session: somebody copied it.",
            setting: &REFRESH_GRACE,
            range: 0..=60,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.access_token_lifetime",
            meaning: c"How long an access token (JWT) is valid.",
            detail: c"Where PostgREST calls check_session before each request, a logout ends it at once.",
            setting: &ACCESS_TOKEN_LIFETIME,
            range: 30..=DAY,
            unit: GucFlags::UNIT_S,
        },
    ];
    settings.into_iter().for_each(Number::define);
    GucRegistry::define_string_guc(
        c"registrar.jwt_secret",
        c"The secret that access tokens are signed with (HS256): that of PostgREST or Supabase, of at least 32 bytes.",
        c"Goes before what set_jwt_secret() stored. Set it in postgresql.conf only: what ALTER DATABASE sets, every role can read.",
        &JWT_SECRET,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL,
    );
}

/// Absolute life of a session, in seconds.
pub(crate) fn session_lifetime() -> i32 {
    SESSION_LIFETIME.get()
}

/// Life of a session that is not refreshed, in seconds.
pub(crate) fn session_idle_timeout() -> i32 {
    SESSION_IDLE_TIMEOUT.get()
}

/// Life of a session token, in seconds.
pub(crate) fn session_token_lifetime() -> i32 {
    SESSION_TOKEN_LIFETIME.get()
}

/// Grace for a used refresh token, in seconds.
pub(crate) fn refresh_grace() -> i32 {
    REFRESH_GRACE.get()
}

/// Life of an access token, in seconds.
pub(crate) fn access_token_lifetime() -> i32 {
    ACCESS_TOKEN_LIFETIME.get()
}

/// The secret of access tokens, where there is one.
pub(crate) fn jwt_secret() -> Option<SecretString> {
    let secret = JWT_SECRET.get()?;
    let secret = secret.to_str().ok()?;
    (!secret.is_empty()).then(|| secret.to_owned().into())
}
