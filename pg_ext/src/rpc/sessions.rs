//! `refresh_session`, `get_session`, `list_sessions` and `logout`.

use pgrx::Spi;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, FoundSession, LoggedOut, Refreshed, Session, Sessions, Token};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer, found};
use super::caller::Caller;
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::audit_log::Action;
use crate::store::from_pg_uuid;
use crate::store::refresh_tokens::{self, StoredRefreshToken};
use crate::store::sessions::{self, EndReason, StoredSession, Which};
use crate::store::users::{self, Standing};

#[pg_extern(security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn refresh_session(p_refresh_token: default!(Option<String>, "NULL")) -> Jsonb {
    let token = parse("refresh_token", p_refresh_token.as_deref());
    answer(Action::RefreshSession, |client, _| refresh(client, token.as_ref().map_err(Clone::clone)?))
}

/// The session is locked before the token is looked at, so that of two refreshes with one token the second sees what the first did.
fn refresh(client: &mut SpiClient<'_>, token: &Token) -> Result<Done<Refreshed>, Refusal> {
    let user_id = token.user_id();
    let unknown = || Refusal::from(invalid("refresh_token", "The refresh token is unknown."));
    let session_id = refresh_tokens::find(client, token).ok_or_else(unknown)?.session_id;
    let session = sessions::lock(client, user_id, session_id).ok_or_else(unknown)?;
    let token_now = refresh_tokens::find(client, token).ok_or_else(unknown)?;
    if !session.is_live() {
        return Err(Refusal::of_user(user_id, expired()));
    }
    match users::standing(client, user_id) {
        Some(Standing::Good) => {}
        Some(Standing::Banned | Standing::Deleted) | None => {
            sessions::end(client, user_id, Which::All, EndReason::User);
            return Err(Refusal::Kept { errors: vec![expired()], user_id: Some(user_id) });
        }
    }
    if let Some(refusal) = replayed(client, token, &token_now, user_id) {
        return Err(refusal);
    }
    refresh_tokens::use_up(client, user_id, session_id);
    let (session, tokens) = sessions::renew(client, &session.session);
    Ok(Done {
        status: 200,
        message: "Session refreshed".into(),
        user_id: Some(user_id),
        data: Refreshed { session, tokens },
    })
}

/// What becomes of a token that was used before. Within the grace period it comes from two callers at once, or from one that the
/// first answer did not reach: that is let pass once. Later, somebody has copied it.
fn replayed(client: &mut SpiClient<'_>, token: &Token, stored: &StoredRefreshToken, user_id: Uuid) -> Option<Refusal> {
    let used_at = stored.used_at?;
    if used_at.plus_seconds(settings::refresh_grace()) < pg::transaction_start() {
        sessions::end(client, user_id, Which::This(stored.session_id), EndReason::Replay);
        let error = invalid("refresh_token", "The refresh token was used before: its session was ended.")
            .with_hint("Sign in again; if it was not you who used it, somebody copied it.");
        return Some(Refusal::Kept { errors: vec![error], user_id: Some(user_id) });
    }
    if stored.is_forgiven {
        let error = invalid("refresh_token", "The refresh token was used a moment ago.")
            .with_hint("Use the tokens that the other refresh was answered with.");
        return Some(Refusal::of_user(user_id, error));
    }
    refresh_tokens::forgive(client, token);
    None
}

/// Without a `search_path` of its own, as `get_profile`: it would take as long as the look-up. Every name in what it runs is qualified.
#[pg_extern(stable)]
fn get_session(p_session_token: default!(Option<String>, "NULL")) -> Jsonb {
    let session = parse("session_token", p_session_token.as_deref()).and_then(|token| {
        let session = pg::as_registrar(|| Spi::connect(|client| sessions::of_token(client, &token)));
        usable(session)
    });
    found(session.map(|session| ("Session found", FoundSession { session })))
}

fn usable(session: Option<StoredSession>) -> Result<Session, FieldError> {
    let session = session.ok_or_else(|| invalid("session_token", "The session token is unknown."))?;
    if !session.is_live() {
        return Err(expired());
    }
    if !session.is_token_live() {
        let error = FieldError::new("session_token", ErrorCode::SessionExpired, "The session token has expired.");
        return Err(error.with_hint("Call refresh_session with the refresh token."));
    }
    Ok(session.session)
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn list_sessions(
    p_session_token: default!(Option<String>, "NULL"),
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
) -> Jsonb {
    let whose = Whose::of(p_session_token.as_deref(), p_user_id.map(from_pg_uuid));
    let listed = whose.map(|whose| {
        pg::as_registrar(|| Spi::connect(|client| sessions::live(client, whose.user_id, whose.session_id)))
    });
    found(listed.map(|sessions| (format!("{} sessions found", sessions.len()), Sessions { sessions })))
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn logout(
    p_scope: default!(Option<&str>, "'this'"),
    p_session_token: default!(Option<String>, "NULL"),
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
) -> Jsonb {
    let whose = Whose::of(p_session_token.as_deref(), p_user_id.map(from_pg_uuid));
    pg::as_registrar(|| {
        answer(Action::Logout, |client, _| {
            let whose = whose.as_ref().map_err(Clone::clone)?;
            let which = which(p_scope.unwrap_or("this"), whose.session_id)?;
            let ended = sessions::end(client, whose.user_id, which, EndReason::Logout);
            let message = format!("{ended} sessions ended").into();
            Ok(Done { status: 200, message, user_id: Some(whose.user_id), data: LoggedOut { ended } })
        })
    })
}

fn which(scope: &str, session_id: Option<Uuid>) -> Result<Which, FieldError> {
    let this = || {
        let missing = FieldError::invalid("session_token", "No session is named.");
        session_id.ok_or_else(|| missing.with_hint("Send the session token, or call with scope all."))
    };
    match scope {
        "this" => this().map(Which::This),
        "others" => this().map(Which::Others),
        "all" => Ok(Which::All),
        _ => Err(FieldError::invalid("scope", "There is no such scope.").with_hint("Scopes are: this, others, all.")),
    }
}

/// Whose sessions a call is about, and from within which of them it comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    pub(super) user_id: Uuid,
    pub(super) session_id: Option<Uuid>,
}

impl Whose {
    /// A signed-in user's own, by the access token or the session token; those of the user that a back end names.
    ///
    /// # Errors
    /// `forbidden` where nobody is signed in or another user is named; `token_invalid` and `session_expired` for the token.
    pub(super) fn of(session_token: Option<&str>, user_id: Option<Uuid>) -> Result<Self, FieldError> {
        let caller = Caller::current();
        let by_token = session_token.map(|text| {
            let token = parse("session_token", Some(text))?;
            let session = pg::as_registrar(|| Spi::connect(|client| sessions::of_token(client, &token)));
            usable(session)
        });
        let by_token = by_token.transpose()?.map(|session| (session.user_id, session.id));
        // Whoever has a session token and is not signed in by another proof is who it says, and a back end may say who it is.
        if caller.is_trusted() || (by_token.is_some() && caller.user_id().is_none()) {
            let named = by_token.map(|(user_id, session_id)| Self { user_id, session_id: Some(session_id) });
            let of_user = user_id.map(|user_id| Self { user_id, session_id: None });
            return match (named, of_user) {
                (Some(named), Some(of_user)) if named.user_id != of_user.user_id => {
                    Err(FieldError::invalid("user_id", "The session token is another user's."))
                }
                (Some(whose), _) | (None, Some(whose)) => Ok(whose),
                (None, None) => Err(FieldError::invalid("session_token", "A session token or a user id is required.")),
            };
        }
        let (own, _) = caller.act_on(user_id)?;
        let session_id = match by_token {
            Some((of, session_id)) if of == own => Some(session_id),
            Some(_) => return Err(FieldError::of_call(ErrorCode::Forbidden, "The session token is another user's.")),
            None => caller.session_id(),
        };
        Ok(Self { user_id: own, session_id })
    }
}

/// A token as it was sent.
///
/// # Errors
/// `validation_failed` without a token, `token_invalid` for what is none.
pub(super) fn parse(field: &'static str, text: Option<&str>) -> Result<Token, FieldError> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Err(FieldError::invalid(field, "A token is required.")),
        Some(text) => Token::parse(text).ok_or_else(|| invalid(field, "This is not a token.")),
    }
}

fn invalid(field: &'static str, message: &'static str) -> FieldError {
    FieldError::new(field, ErrorCode::TokenInvalid, message).with_hint(ErrorCode::SessionExpired.hint())
}

/// The refusal of a session that is over.
pub(super) fn expired() -> FieldError {
    FieldError::of_call(ErrorCode::SessionExpired, "The session has ended.")
}
