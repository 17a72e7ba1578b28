//! `registrar_private.attempts`: what the limits count, whoever asked through whichever gateway.

use std::cell::RefCell;
use std::convert::Infallible;

use pgrx::Spi;
use pgrx::datum::{DatumWithOid, Inet, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{BOOLOID, BYTEAOID, INETOID, TEXTOID, TIMESTAMPTZOID};
use pgrx::spi::SpiClient;
use registrar_core::KeyedHash;

use super::plans::Statement;
use super::remembered::{Slot, remembered};
use crate::origin;
use crate::pg::{self, Timestamp};

/// What was attempted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Password,
    OtpSend,
    OtpVerify,
    PasswordReset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::OtpSend => "otp_send",
            Self::OtpVerify => "otp_verify",
            Self::PasswordReset => "password_reset",
        }
    }
}

static KEY: Statement =
    Statement::new("SELECT value FROM registrar_private.secrets WHERE name = 'identifier_key'", &[]);

thread_local! {
    static IDENTIFIER_KEY: Slot<Vec<u8>> = const { RefCell::new(None) };
}

/// The hash of these parts under registrar's own key.
pub(crate) fn keyed_hash(parts: &[&[u8]]) -> KeyedHash {
    let read = || {
        let key: Option<Vec<u8>> = Spi::connect_mut(|client| KEY.run(client, &[]).first().get_one().ok().flatten());
        Ok::<_, Infallible>(key.expect("setup() makes the key"))
    };
    let Ok(key) = remembered(&IDENTIFIER_KEY, read);
    KeyedHash::of(&key, parts)
}

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.attempts (identifier_hash, purpose, occurred_at, succeeded, address)
     VALUES ($1, $2, $3, $4, $5)",
    &[BYTEAOID, TEXTOID, TIMESTAMPTZOID, BOOLOID, INETOID],
);

/// Records an attempt on an identifier (an address or number, normalized and hashed), whoever's it is.
pub(crate) fn record(client: &mut SpiClient<'_>, identifier: &KeyedHash, purpose: Purpose, succeeded: bool) {
    RECORD.run(
        client,
        &[
            identifier.as_bytes().to_vec().into(),
            purpose.as_str().into(),
            time_parameter(pg::transaction_start()),
            succeeded.into(),
            address_parameter(),
        ],
    );
}

fn address_parameter<'a>() -> DatumWithOid<'a> {
    origin::current().address.map(|address| Inet(address.to_string())).into()
}

fn time_parameter<'a>(time: Timestamp) -> DatumWithOid<'a> {
    TimestampWithTimeZone::from(time).into()
}
