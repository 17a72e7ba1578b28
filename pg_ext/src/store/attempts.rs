//! `registrar_private.attempts`: what the limits count, whoever asked through whichever gateway.

use std::cell::RefCell;
use std::convert::Infallible;

use pgrx::Spi;
use pgrx::datum::{DatumWithOid, Inet, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, BYTEAOID, INETOID, INT8OID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::SecretHash;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use super::remembered::{Slot, remembered};
use crate::origin;
use crate::pg::{self, Timestamp};

/// What was attempted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Password,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
        }
    }
}

static KEY: Statement =
    Statement::new("SELECT value FROM registrar_private.secrets WHERE name = 'identifier_key'", &[]);

thread_local! {
    static IDENTIFIER_KEY: Slot<Vec<u8>> = const { RefCell::new(None) };
}

/// The hash of these parts under registrar's own key.
pub(crate) fn keyed_hash(parts: &[&[u8]]) -> SecretHash {
    let read = || {
        let key: Option<Vec<u8>> = Spi::connect_mut(|client| KEY.run(client, &[]).first().get_one().ok().flatten());
        Ok::<_, Infallible>(key.expect("setup() makes the key"))
    };
    let Ok(key) = remembered(&IDENTIFIER_KEY, read);
    SecretHash::keyed(&key, parts)
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
    "SELECT count(*), max(a.occurred_at) FROM registrar_private.attempts AS a
     WHERE a.identifier_hash = $1 AND a.purpose = $2 AND NOT a.succeeded AND a.occurred_at > now() - interval '1 day'
         AND a.id > coalesce((
             SELECT max(s.id) FROM registrar_private.attempts AS s
             WHERE s.identifier_hash = $1 AND s.purpose = $2 AND s.succeeded
         ), 0)",
    &[BYTEAOID, TEXTOID],
);

/// How often an identifier failed since it last succeeded, within a day, and when it did last.
pub(crate) fn failures(
    client: &mut SpiClient<'_>,
    identifier: &SecretHash,
    purpose: Purpose,
) -> (i64, Option<Timestamp>) {
    let row = FAILURES.run(client, &[identifier.as_bytes().as_slice().into(), purpose.as_str().into()]).first();
    let last: Option<TimestampWithTimeZone> = row.get(2).ok().flatten();
    (row.get(1).ok().flatten().unwrap_or_default(), last.map(Timestamp::from))
}

static FAILURES_OF_ADDRESS: Statement = Statement::new(
    "SELECT count(*), min(a.occurred_at) FROM registrar_private.attempts AS a
     WHERE a.address = $1 AND a.purpose = $2 AND NOT a.succeeded AND a.occurred_at > now() - interval '15 minutes'",
    &[INETOID, TEXTOID],
);

/// How often the caller's address failed within a quarter of an hour, and when it did first; never where there is none.
pub(crate) fn failures_of_address(client: &mut SpiClient<'_>, purpose: Purpose) -> (i64, Option<Timestamp>) {
    let row = FAILURES_OF_ADDRESS.run(client, &[address_parameter(), purpose.as_str().into()]).first();
    let first: Option<TimestampWithTimeZone> = row.get(2).ok().flatten();
    (row.get(1).ok().flatten().unwrap_or_default(), first.map(Timestamp::from))
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
