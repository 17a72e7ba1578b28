//! `registrar_private.refresh_tokens`: each good for one refresh, and kept to know it when it comes again.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::Token;
use uuid::Uuid;

use super::plans::Statement;
use super::{from_pg_uuid, pg_uuid};
use crate::pg::{self, Timestamp};

static ISSUE: Statement = Statement::new(
    "INSERT INTO registrar_private.refresh_tokens (user_id, token_hash, session_id, issued_at) VALUES ($1, $2, $3, $4)",
    &[UUIDOID, BYTEAOID, UUIDOID, TIMESTAMPTZOID],
);

/// A new token for a session.
pub(crate) fn issue(client: &mut SpiClient<'_>, user_id: Uuid, session_id: Uuid) -> Token {
    let token = Token::generate(user_id);
    ISSUE.run(
        client,
        &[
            pg_uuid(user_id).into(),
            token.hash().as_bytes().as_slice().into(),
            pg_uuid(session_id).into(),
            pg::transaction_start().into(),
        ],
    );
    token
}

/// A token as it is stored.
pub(crate) struct StoredRefreshToken {
    pub(crate) session_id: Uuid,
    pub(crate) used_at: Option<Timestamp>,
    /// Whether it came a second time already, and was let pass.
    pub(crate) is_forgiven: bool,
}

static FIND: Statement = Statement::new(
    "SELECT session_id, used_at, forgiven FROM registrar_private.refresh_tokens WHERE user_id = $1 AND token_hash = $2",
    &[UUIDOID, BYTEAOID],
);

/// That token, used or not.
pub(crate) fn find(client: &mut SpiClient<'_>, token: &Token) -> Option<StoredRefreshToken> {
    let row = FIND.run(client, &[pg_uuid(token.user_id()).into(), token.hash().as_bytes().as_slice().into()]).first();
    Some(StoredRefreshToken {
        session_id: row.get(1).ok().flatten().map(from_pg_uuid)?,
        used_at: row.get::<TimestampWithTimeZone>(2).ok().flatten().map(Timestamp::from),
        is_forgiven: row.get(3).ok().flatten()?,
    })
}

static USE_UP: Statement = Statement::new(
    "UPDATE registrar_private.refresh_tokens SET used_at = $3 WHERE user_id = $1 AND session_id = $2 AND used_at IS NULL",
    &[UUIDOID, UUIDOID, TIMESTAMPTZOID],
);

/// Uses up every live token of a session: that which was sent, and where two callers refreshed at once the other's.
pub(crate) fn use_up(client: &mut SpiClient<'_>, user_id: Uuid, session_id: Uuid) {
    USE_UP.run(client, &[pg_uuid(user_id).into(), pg_uuid(session_id).into(), pg::transaction_start().into()]);
}

static FORGIVE: Statement = Statement::new(
    "UPDATE registrar_private.refresh_tokens SET forgiven = true WHERE user_id = $1 AND token_hash = $2",
    &[UUIDOID, BYTEAOID],
);

/// Lets a used token pass once more.
pub(crate) fn forgive(client: &mut SpiClient<'_>, token: &Token) {
    FORGIVE.run(client, &[pg_uuid(token.user_id()).into(), token.hash().as_bytes().as_slice().into()]);
}
