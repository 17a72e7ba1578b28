//! `registrar_private.secrets`: the keys that registrar hashes and signs with, which no other role can read.

use std::cell::RefCell;
use std::convert::Infallible;

use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::spi::SpiClient;
use registrar_core::SecretHash;
use secrecy::{ExposeSecret, SecretString};

use super::plans::Statement;
use super::remembered::{Slot, remembered};
use crate::settings;

static IDENTIFIER_KEY: Statement =
    Statement::new("SELECT value FROM registrar_private.secrets WHERE name = 'identifier_key'", &[]);

thread_local! {
    static REMEMBERED_KEY: Slot<Vec<u8>> = const { RefCell::new(None) };
    static REMEMBERED_SECRET: Slot<Option<SecretString>> = const { RefCell::new(None) };
}

/// The hash of these parts under registrar's own key.
pub(crate) fn keyed_hash(parts: &[&[u8]]) -> SecretHash {
    let read = || {
        let key: Option<Vec<u8>> =
            Spi::connect_mut(|client| IDENTIFIER_KEY.run(client, &[]).first().get_one().ok().flatten());
        Ok::<_, Infallible>(key.expect("setup() makes the key"))
    };
    let Ok(key) = remembered(&REMEMBERED_KEY, read);
    SecretHash::keyed(&key, parts)
}

static JWT_SECRET: Statement =
    Statement::new("SELECT convert_from(value, 'UTF8') FROM registrar_private.secrets WHERE name = 'jwt_secret'", &[]);

/// What access tokens are signed with: the setting where there is one, else what [`set_jwt_secret`] stored.
pub(super) fn jwt_secret(client: &mut SpiClient<'_>) -> Option<SecretString> {
    settings::jwt_secret().or_else(|| {
        let read = || {
            let stored: Option<String> = JWT_SECRET.run(client, &[]).first().get_one().ok().flatten();
            Ok::<_, Infallible>(stored.map(SecretString::from))
        };
        let Ok(stored) = remembered(&REMEMBERED_SECRET, read);
        (*stored).clone()
    })
}

static FORGET_JWT_SECRET: Statement =
    Statement::new("DELETE FROM registrar_private.secrets WHERE name = 'jwt_secret'", &[]);

static SET_JWT_SECRET: Statement = Statement::new(
    "INSERT INTO registrar_private.secrets (name, value) VALUES ('jwt_secret', convert_to($1, 'UTF8'))
     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    &[TEXTOID],
);

/// Stores what access tokens are signed with, or forgets it.
pub(crate) fn set_jwt_secret(client: &mut SpiClient<'_>, secret: Option<&SecretString>) {
    match secret {
        Some(secret) => SET_JWT_SECRET.run(client, &[secret.expose_secret().into()]),
        None => FORGET_JWT_SECRET.run(client, &[]),
    };
}
