//! `registrar_private.sessions`: who is signed in, where, and until when.

use pgrx::datum::{Inet, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, BYTEAOID, INETOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::{SpiClient, SpiHeapTupleData, SpiTupleTable};
use registrar_core::{ListedSession, Session, SessionTokens, SignedIn, Token, UserSummary};
use uuid::Uuid;

use super::plans::Statement;
use super::{access_tokens, from_pg_uuid, pg_uuid, refresh_tokens};
use crate::pg::{self, Timestamp};
use crate::{origin, settings};

/// How a user proved to be that user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Password,
    /// A one-time code.
    Otp,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Otp => "otp",
        }
    }
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndReason {
    Logout,
    /// A refresh token came a second time.
    Replay,
    /// The user was banned or deleted.
    User,
    /// The password was changed or reset.
    Password,
}

impl EndReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Replay => "replay",
            Self::User => "user",
            Self::Password => "password",
        }
    }
}

/// A session as it is stored.
pub(crate) struct StoredSession {
    pub(crate) session: Session,
    created_at: Timestamp,
    token_expires_at: Timestamp,
    expires_at: Timestamp,
    is_ended: bool,
}

impl StoredSession {
    /// Whether the session lasts, refreshed or not.
    pub(crate) fn is_live(&self) -> bool {
        !self.is_ended && self.expires_at > pg::transaction_start()
    }

    /// Whether the user signed in no longer than so many seconds ago.
    pub(crate) fn is_fresh(&self, seconds: i32) -> bool {
        self.created_at.plus_seconds(seconds) > pg::transaction_start()
    }

    /// Whether its session token is valid.
    pub(crate) fn is_token_live(&self) -> bool {
        self.is_live() && self.token_expires_at > pg::transaction_start()
    }
}

/// The columns that [`stored`] reads.
macro_rules! columns {
    () => {
        "s.id, s.user_id, s.created_at, s.refreshed_at, least(s.idle_expires_at, s.expires_at), s.device_name, pg_catalog.host(s.address), \
         s.user_agent, s.token_expires_at, s.ended_at IS NOT NULL"
    };
}

fn stored(row: &SpiHeapTupleData<'_>) -> Option<StoredSession> {
    let time = |place| row.get::<TimestampWithTimeZone>(place).ok().flatten().map(Timestamp::from);
    let uuid = |place| row.get::<pgrx::Uuid>(place).ok().flatten().map(from_pg_uuid);
    let text = |place| row.get::<String>(place).ok().flatten();
    let (created_at, expires_at) = (time(3)?, time(5)?);
    Some(StoredSession {
        session: Session {
            id: uuid(1)?,
            user_id: uuid(2)?,
            created_at: created_at.to_utc(),
            refreshed_at: time(4)?.to_utc(),
            expires_at: expires_at.to_utc(),
            device_name: text(6),
            address: text(7),
            user_agent: text(8),
        },
        created_at,
        token_expires_at: time(9)?,
        expires_at,
        is_ended: row.get(10).ok().flatten()?,
    })
}

fn first(rows: SpiTupleTable<'_>) -> Option<StoredSession> {
    rows.into_iter().next().and_then(|row| stored(&row))
}

/// Whether a session lasts, in names that no search_path can lead astray: as [`StoredSession::is_live`] has it.
macro_rules! lasts {
    () => {
        "s.ended_at IS NULL AND s.expires_at OPERATOR(pg_catalog.>) pg_catalog.now() \
         AND s.idle_expires_at OPERATOR(pg_catalog.>) pg_catalog.now()"
    };
}

static OPEN: Statement = Statement::new(
    "INSERT INTO registrar_private.sessions (user_id, id, token_hash, token_expires_at, created_at, refreshed_at,
         idle_expires_at, expires_at, method, device_name, address, user_agent)
     VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11)",
    &[
        UUIDOID,
        UUIDOID,
        BYTEAOID,
        TIMESTAMPTZOID,
        TIMESTAMPTZOID,
        TIMESTAMPTZOID,
        TIMESTAMPTZOID,
        TEXTOID,
        TEXTOID,
        INETOID,
        TEXTOID,
    ],
);

/// Signs a user in: a new session with its tokens.
pub(crate) fn open(
    client: &mut SpiClient<'_>,
    user: UserSummary,
    method: Method,
    device_name: Option<&str>,
) -> SignedIn {
    let now = pg::transaction_start();
    let (id, token) = (Uuid::new_v4(), Token::generate(user.id));
    let hash = token.hash();
    let origin = origin::current();
    let token_expires_at = now.plus_seconds(settings::session_token_lifetime());
    let idle_expires_at = now.plus_seconds(settings::session_idle_timeout());
    let expires_at = now.plus_seconds(settings::session_lifetime());
    let session = Session {
        id,
        user_id: user.id,
        created_at: now.to_utc(),
        refreshed_at: now.to_utc(),
        expires_at: idle_expires_at.min(expires_at).to_utc(),
        device_name: device_name.map(str::to_owned),
        address: origin.address.map(|address| address.to_string()),
        user_agent: origin.user_agent,
    };
    let arguments = [
        pg_uuid(user.id).into(),
        pg_uuid(id).into(),
        hash.as_bytes().as_slice().into(),
        token_expires_at.into(),
        now.into(),
        idle_expires_at.into(),
        expires_at.into(),
        method.as_str().into(),
        device_name.into(),
        session.address.clone().map(Inet).into(),
        session.user_agent.as_deref().into(),
    ];
    OPEN.run(client, &arguments);
    let tokens = tokens(client, user.id, id, &token, token_expires_at);
    SignedIn { user, session, tokens }
}

/// The tokens of a session, whose session token is already stored.
fn tokens(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    session_id: Uuid,
    token: &Token,
    token_expires_at: Timestamp,
) -> SessionTokens {
    let refresh_token = refresh_tokens::issue(client, user_id, session_id);
    let access_token = access_tokens::issue(client, user_id, session_id);
    let (access_token, access_token_expires_at) = access_token.unzip();
    SessionTokens {
        session_token: token.expose().to_owned(),
        session_token_expires_at: token_expires_at.to_utc(),
        refresh_token: refresh_token.expose().to_owned(),
        access_token,
        access_token_expires_at: access_token_expires_at.map(Timestamp::to_utc),
    }
}

static RENEW: Statement = Statement::new(
    concat!(
        "UPDATE registrar_private.sessions AS s
         SET token_hash = $3, token_expires_at = $4, refreshed_at = $5, idle_expires_at = $6
         WHERE s.user_id = $1 AND s.id = $2
         RETURNING ",
        columns!()
    ),
    &[UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
);

/// Gives a session, which is locked, new tokens, and lets it last longer.
pub(crate) fn renew(client: &mut SpiClient<'_>, session: &Session) -> (Session, SessionTokens) {
    let (now, token) = (pg::transaction_start(), Token::generate(session.user_id));
    let hash = token.hash();
    let token_expires_at = now.plus_seconds(settings::session_token_lifetime());
    let arguments = [
        pg_uuid(session.user_id).into(),
        pg_uuid(session.id).into(),
        hash.as_bytes().as_slice().into(),
        token_expires_at.into(),
        now.into(),
        now.plus_seconds(settings::session_idle_timeout()).into(),
    ];
    let renewed = first(RENEW.run(client, &arguments)).expect("a locked session is there").session;
    let tokens = tokens(client, session.user_id, session.id, &token, token_expires_at);
    (renewed, tokens)
}

static OF_TOKEN: Statement = Statement::new(
    concat!(
        "SELECT ",
        columns!(),
        " FROM registrar_private.sessions AS s WHERE s.user_id OPERATOR(pg_catalog.=) $1 AND s.token_hash OPERATOR(pg_catalog.=) $2"
    ),
    &[UUIDOID, BYTEAOID],
);

/// The session of a session token, live or not.
pub(crate) fn of_token(client: &SpiClient<'_>, token: &Token) -> Option<StoredSession> {
    first(OF_TOKEN.read(client, &[pg_uuid(token.user_id()).into(), token.hash().as_bytes().as_slice().into()]))
}

static LOCK: Statement = Statement::new(
    concat!(
        "SELECT ",
        columns!(),
        " FROM registrar_private.sessions AS s WHERE s.user_id = $1 AND s.id = $2 FOR NO KEY UPDATE"
    ),
    &[UUIDOID, UUIDOID],
);

/// A session, locked to the end of the transaction.
pub(crate) fn lock(client: &mut SpiClient<'_>, user_id: Uuid, id: Uuid) -> Option<StoredSession> {
    first(LOCK.run(client, &[pg_uuid(user_id).into(), pg_uuid(id).into()]))
}

static LIVE: Statement = Statement::new(
    concat!(
        "SELECT ",
        columns!(),
        ", s.id IS NOT DISTINCT FROM $2 FROM registrar_private.sessions AS s WHERE s.user_id = $1 AND ",
        lasts!(),
        " ORDER BY s.created_at DESC, s.id"
    ),
    &[UUIDOID, UUIDOID],
);

/// The live sessions of a user, the newest first.
pub(crate) fn live(client: &SpiClient<'_>, user_id: Uuid, current: Option<Uuid>) -> Vec<ListedSession> {
    let listed = |row: SpiHeapTupleData<'_>| {
        let is_current = row.get(11).ok().flatten()?;
        Some(ListedSession { session: stored(&row)?.session, is_current })
    };
    LIVE.read(client, &[pg_uuid(user_id).into(), current.map(pg_uuid).into()]).filter_map(listed).collect()
}

/// Which sessions of a user are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    This(Uuid),
    /// All but this one.
    Others(Uuid),
    All,
}

static END: Statement = Statement::new(
    "UPDATE registrar_private.sessions AS s SET ended_at = $2, end_reason = $3
     WHERE s.user_id = $1 AND s.ended_at IS NULL AND ($4 IS NULL OR (s.id = $4) = $5)",
    &[UUIDOID, TIMESTAMPTZOID, TEXTOID, UUIDOID, BOOLOID],
);

/// Ends sessions of a user, at once; how many there were.
pub(crate) fn end(client: &mut SpiClient<'_>, user_id: Uuid, which: Which, reason: EndReason) -> u64 {
    let (id, is_it) = match which {
        Which::This(id) => (Some(id), true),
        Which::Others(id) => (Some(id), false),
        Which::All => (None, true),
    };
    let arguments = [
        pg_uuid(user_id).into(),
        pg::transaction_start().into(),
        reason.as_str().into(),
        id.map(pg_uuid).into(),
        is_it.into(),
    ];
    END.run(client, &arguments).len() as u64
}

static IS_LIVE: Statement = Statement::new(
    concat!(
        "SELECT true FROM registrar_private.sessions AS s
         WHERE s.user_id OPERATOR(pg_catalog.=) $1 AND s.id OPERATOR(pg_catalog.=) $2 AND ",
        lasts!()
    ),
    &[UUIDOID, UUIDOID],
);

/// Whether a user's session lasts.
pub(crate) fn is_live(client: &SpiClient<'_>, user_id: Uuid, id: Uuid) -> bool {
    !IS_LIVE.read(client, &[pg_uuid(user_id).into(), pg_uuid(id).into()]).is_empty()
}
