//! `set_jwt_secret`.

use pgrx::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::setup::{raise, require_setup, require_superuser};
use crate::store::secrets;

/// Shortest key of HS256, in bytes (RFC 7518 §3.2).
const MIN_BYTES: usize = 32;

/// Whether there is one now.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn set_jwt_secret(p_secret: Option<String>) -> bool {
    let secret = p_secret.filter(|secret| !secret.is_empty()).map(SecretString::from);
    if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < MIN_BYTES) {
        let hint = "Use the JWT secret of PostgREST or Supabase.";
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "the secret has fewer than 32 bytes", hint)
    }
    Spi::connect_mut(|client| {
        require_superuser(client, "set_jwt_secret()");
        require_setup(client);
        secrets::set_jwt_secret(client, secret.as_ref());
    });
    secret.is_some()
}
