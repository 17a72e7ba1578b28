//! A session whose tokens are renewed when they are about to expire, once for all who use it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use registrar_core::{ErrorCode, LoggedOut, SessionTokens};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{Client, Error, LogoutScope, Result};

/// How long before their end tokens are renewed: a request is on its way by then.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

/// Keeps the tokens of a session valid; made by [`Client::keep_session`]. Cheap to clone: all clones keep one session.
///
/// Whoever asks for a token that is about to expire waits for one refresh, however many ask at once; a refresh token works once, and one
/// that is sent a second time later ends its session. A refresh goes on where its caller no longer waits, so that its answer is not lost. Where
/// the outcome of one is unknown, the next caller tries the same token again, which registrar lets pass once within
/// `registrar.refresh_grace`.
///
/// The `Debug` output shows no token.
#[derive(Clone)]
pub struct SessionKeeper(Arc<Kept>);

struct Kept {
    client: Client,
    tokens: watch::Sender<SessionTokens>,
    /// The refresh that is under way.
    refreshing: Mutex<Option<watch::Receiver<Option<Result<()>>>>>,
    /// Why there will be no further one.
    ended: OnceLock<Error>,
}

impl Client {
    /// Keeps the tokens of a session, as they came from a sign-in or out of a file.
    #[must_use]
    pub fn keep_session(&self, tokens: SessionTokens) -> SessionKeeper {
        SessionKeeper(Arc::new(Kept {
            client: self.clone(),
            tokens: watch::Sender::new(tokens),
            refreshing: Mutex::default(),
            ended: OnceLock::new(),
        }))
    }
}

impl SessionKeeper {
    /// A session token that is valid for some seconds at least, as far as this machine's clock tells.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn session_token(&self) -> Result<SecretString> {
        self.lasting(|tokens| Some(tokens.session_token_expires_at)).await?;
        Ok(self.0.tokens.borrow().session_token.clone().into())
    }

    /// An access token that is valid for some seconds at least; `None` where the database signs none.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn access_token(&self) -> Result<Option<SecretString>> {
        self.lasting(|tokens| tokens.access_token_expires_at).await?;
        Ok(self.0.tokens.borrow().access_token.clone().map(SecretString::from))
    }

    async fn lasting(&self, expires_at: fn(&SessionTokens) -> Option<DateTime<Utc>>) -> Result<()> {
        let lasts = move |tokens: &SessionTokens| expires_at(tokens).is_none_or(|end| end > Utc::now() + MARGIN);
        if let Some(error) = self.0.ended.get() {
            return Err(error.clone());
        }
        if lasts(&self.0.tokens.borrow()) { Ok(()) } else { self.refresh_unless(lasts).await }
    }

    /// Renews the tokens now, or waits for a refresh that is under way: after a request that was answered with
    /// `session_expired` before its time.
    ///
    /// # Errors
    /// [`Error::Api`] with `token_invalid` or `session_expired`: the session has ended, and every later call fails with the same error. Every
    /// other variant of [`Error`] but `Config`: a later call tries again.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn refresh(&self) -> Result<()> {
        self.refresh_unless(|_| false).await
    }

    /// Refreshes, unless that was done since the caller looked.
    async fn refresh_unless(&self, is_done: impl Fn(&SessionTokens) -> bool) -> Result<()> {
        let mut outcome = {
            let mut refreshing = self.0.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
            if is_done(&self.0.tokens.borrow()) {
                return Ok(());
            }
            if let Some(error) = self.0.ended.get() {
                return Err(error.clone());
            }
            refreshing.get_or_insert_with(|| self.begin()).clone()
        };
        let outcome = outcome.wait_for(Option::is_some).await.expect("a refresh tells how it ended");
        outcome.clone().expect("it was waited for")
    }

    /// Sends a refresh in a task of its own.
    fn begin(&self) -> watch::Receiver<Option<Result<()>>> {
        let (outcome, receiver) = watch::channel(None);
        let kept = Arc::clone(&self.0);
        tokio::spawn(async move {
            let refresh_token = kept.tokens.borrow().refresh_token.clone();
            let refreshed = kept.client.refresh_session(refresh_token).await;
            // Whoever asks from now on meets the new tokens, or begins anew.
            let mut refreshing = kept.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
            let told = refreshed.map(|refreshed| drop(kept.tokens.send_replace(refreshed.tokens)));
            if let Err(error @ Error::Api { code: ErrorCode::TokenInvalid | ErrorCode::SessionExpired, .. }) = &told {
                kept.ended.get_or_init(|| error.clone());
            }
            *refreshing = None;
            outcome.send_replace(Some(told));
        });
        receiver
    }

    /// Tells of each renewal, so that the app can store the new tokens: `changed().await`, then `borrow_and_update()`.
    #[must_use]
    pub fn renewals(&self) -> watch::Receiver<SessionTokens> {
        self.0.tokens.subscribe()
    }

    /// Ends sessions of the user, for the very next request: [`Client::logout`] with a valid session token.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh) and of [`Client::logout`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn logout(&self, scope: LogoutScope) -> Result<LoggedOut> {
        self.0.client.logout(self.session_token().await?, scope).await
    }
}

impl fmt::Debug for SessionKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeeper").field("tokens", &*self.0.tokens.borrow()).finish_non_exhaustive()
    }
}
