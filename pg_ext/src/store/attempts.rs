//! `registrar_private.attempts`: what the limits count, whoever asked through whichever gateway.

use pgrx::datum::{DatumWithOid, Inet, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, BYTEAOID, INETOID, INT8OID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::{SpiClient, SpiTupleTable};
use registrar_core::SecretHash;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::origin;
use crate::pg::{self, Timestamp};

/// What was attempted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// To sign in with a password, or to name the current one.
    Password,
    /// To have a one-time code sent.
    SendOtp,
    /// To guess a one-time code.
    Otp,
    /// To have a token sent that a password is reset with.
    SendReset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SendOtp => "send_otp",
            Self::Otp => "otp",
            Self::SendReset => "send_reset",
        }
    }
}

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.attempts (identifier_hash, purpose, occurred_at, succeeded, address, user_id)
     VALUES ($1, $2, $3, $4, $5, $6)",
    &[BYTEAOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INETOID, UUIDOID],
);

/// Records an attempt on an identifier (an address or number, normalized and hashed), and whose it is, if anybody's.
pub(crate) fn record(
    client: &mut SpiClient<'_>,
    identifier: &SecretHash,
    purpose: Purpose,
    succeeded: bool,
    user_id: Option<Uuid>,
) {
    RECORD.run(
        client,
        &[
            identifier.as_bytes().as_slice().into(),
            purpose.as_str().into(),
            pg::transaction_start().into(),
            succeeded.into(),
            address_parameter(),
            user_id.map(pg_uuid).into(),
        ],
    );
}

// Of one identifier the rows lie together, in the order in which they came.
static FAILURES: Statement = Statement::new(
    "SELECT count(*), min(a.occurred_at), max(a.occurred_at) FROM registrar_private.attempts AS a
     WHERE a.identifier_hash = $1 AND a.purpose = $2 AND NOT a.succeeded AND a.occurred_at > now() - interval '1 day'
         AND a.id > coalesce((
             SELECT max(s.id) FROM registrar_private.attempts AS s
             WHERE s.identifier_hash = $1 AND s.purpose = $2 AND s.succeeded
         ), 0)",
    &[BYTEAOID, TEXTOID],
);

/// Attempts that were counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) number: i64,
    /// When the first of them was made; `None` where there is none.
    pub(crate) first: Option<Timestamp>,
    /// When the last of them was made.
    pub(crate) last: Option<Timestamp>,
}

impl Count {
    fn read(rows: SpiTupleTable<'_>) -> Self {
        let row = rows.first();
        let time = |place| row.get::<TimestampWithTimeZone>(place).ok().flatten().map(Timestamp::from);
        Self { number: row.get(1).ok().flatten().unwrap_or_default(), first: time(2), last: time(3) }
    }
}

/// How often an identifier failed since it last succeeded, within a day.
pub(crate) fn failures(client: &mut SpiClient<'_>, identifier: &SecretHash, purpose: Purpose) -> Count {
    Count::read(FAILURES.run(client, &[identifier.as_bytes().as_slice().into(), purpose.as_str().into()]))
}

static SINCE: Statement = Statement::new(
    "SELECT count(*), min(a.occurred_at), max(a.occurred_at) FROM registrar_private.attempts AS a
     WHERE a.identifier_hash = $1 AND a.purpose = $2 AND a.occurred_at > $3",
    &[BYTEAOID, TEXTOID, TIMESTAMPTZOID],
);

/// How often something was attempted with an identifier since then, whatever came of it.
pub(crate) fn since(client: &mut SpiClient<'_>, identifier: &SecretHash, purpose: Purpose, since: Timestamp) -> Count {
    Count::read(SINCE.run(client, &[identifier.as_bytes().as_slice().into(), purpose.as_str().into(), since.into()]))
}

static OF_ADDRESS: Statement = Statement::new(
    "SELECT count(*), min(a.occurred_at), max(a.occurred_at) FROM registrar_private.attempts AS a
     WHERE a.address = $1 AND a.purpose = $2 AND a.occurred_at > $3 AND NOT ($4 AND a.succeeded)",
    &[INETOID, TEXTOID, TIMESTAMPTZOID, BOOLOID],
);

/// How often the caller's network address attempted something since then, or failed at it; never where there is none.
pub(crate) fn of_address(client: &mut SpiClient<'_>, purpose: Purpose, since: Timestamp, only_failures: bool) -> Count {
    let arguments = [address_parameter(), purpose.as_str().into(), since.into(), only_failures.into()];
    Count::read(OF_ADDRESS.run(client, &arguments))
}

static TAKE_TURNS: Statement = Statement::new("SELECT pg_advisory_xact_lock($1)", &[INT8OID]);

/// Waits until nobody else attempts anything with an identifier, to the end of the transaction: a count that was read then holds.
pub(crate) fn take_turns(client: &mut SpiClient<'_>, identifier: &SecretHash) {
    let [a, b, c, d, e, f, g, h, ..] = *identifier.as_bytes();
    TAKE_TURNS.run(client, &[i64::from_ne_bytes([a, b, c, d, e, f, g, h]).into()]);
}

fn address_parameter<'a>() -> DatumWithOid<'a> {
    origin::current().address.map(|address| Inet(address.to_string())).into()
}
