//! `check_session`: called by PostgREST before each request (`db-pre-request`).

use pgrx::Spi;
use pgrx::prelude::*;
use registrar_core::{ErrorCode, ISSUER};
use serde::Deserialize;
use uuid::Uuid;

use crate::pg::{self, PgError};
use crate::store::sessions;

#[derive(Deserialize)]
struct Issued<'c> {
    #[serde(borrow)]
    iss: Option<&'c str>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    session_id: Uuid,
}

/// Refuses an access token of registrar's whose session has ended. Those of others are let pass: keys, and tokens of Supabase Auth, which
/// ends its sessions by itself. Without a `search_path` of its own, which would take longer than the check: every name in what it runs is
/// qualified.
#[pg_extern(sql = r#"
    CREATE FUNCTION registrar.check_session() RETURNS void
    LANGUAGE c STABLE
    AS '@MODULE_PATHNAME@', 'registrar_check_session';
"#)]
fn check_session() {
    let Some(claims) = pg::request_claims() else { return };
    // Whoever holds the secret can put anything else in a token, but not registrar's name in it by accident.
    let Ok(Issued { iss: Some(ISSUER) }) = serde_json::from_str(&claims) else { return };
    let is_live = serde_json::from_str(&claims).is_ok_and(|Claims { sub, session_id }| {
        pg::as_registrar(|| Spi::connect(|client| sessions::is_live(client, sub, session_id)))
    });
    if !is_live {
        let code = ErrorCode::SessionExpired;
        pg::raise_on_return(PgError::answered_by_postgrest(
            code.status(),
            code.as_str(),
            "The session has ended.",
            code.hint(),
        ));
    }
}
