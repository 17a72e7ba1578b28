//! `registrar_private.attempts`: what the limits count, whoever asked through whichever gateway.

use pgrx::datum::{Inet, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, BYTEAOID, INETOID, INT8OID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::{SpiClient, SpiHeapTupleData, SpiTupleTable};
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
    /// To have another address or number, which is sent a token.
    SendVerification,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SendOtp => "send_otp",
            Self::Otp => "otp",
            Self::SendReset => "send_reset",
            Self::SendVerification => "send_verification",
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
            origin::current().address.map(|address| Inet(address.to_string())).into(),
            user_id.map(pg_uuid).into(),
        ],
    );
}

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

// Of one identifier the rows lie together, in the order in which they came: no more are read than are needed.
static NEWEST: Statement = Statement::new(
    "SELECT a.succeeded, a.occurred_at FROM registrar_private.attempts AS a
     WHERE a.identifier_hash = $1 AND a.purpose = $2
     ORDER BY a.id DESC LIMIT $3",
    &[BYTEAOID, TEXTOID, INT8OID],
);

/// How often an identifier failed since it last succeeded, within a day, and when it did last; no further than to `enough` failures.
pub(crate) fn failures(
    client: &mut SpiClient<'_>,
    identifier: &SecretHash,
    purpose: Purpose,
    enough: i64,
) -> (i64, Option<Timestamp>) {
    let arguments = [identifier.as_bytes().as_slice().into(), purpose.as_str().into(), enough.into()];
    let a_day_ago = pg::transaction_start().plus_seconds(-24 * 3600);
    let attempt = |row: SpiHeapTupleData<'_>| {
        let succeeded: bool = row.get(1).ok().flatten()?;
        let at: TimestampWithTimeZone = row.get(2).ok().flatten()?;
        Some((succeeded, Timestamp::from(at)))
    };
    let newest = NEWEST.run(client, &arguments).filter_map(attempt);
    let failures = newest.take_while(|&(succeeded, at)| !succeeded && at > a_day_ago).map(|(_, at)| at);
    failures.fold((0, None), |(number, last), at| (number + 1, last.or(Some(at))))
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
    let Some(address) = origin::current().address else { return Count { number: 0, first: None, last: None } };
    let address = Inet(address.to_string()).into();
    Count::read(OF_ADDRESS.run(client, &[address, purpose.as_str().into(), since.into(), only_failures.into()]))
}

/// Waits until nobody else attempts anything with an identifier, to the end of the transaction: a count that was read then holds.
pub(crate) fn take_turns(identifier: &SecretHash) {
    let [a, b, c, d, e, f, g, h, ..] = *identifier.as_bytes();
    pg::lock_number(i64::from_ne_bytes([a, b, c, d, e, f, g, h]));
}
