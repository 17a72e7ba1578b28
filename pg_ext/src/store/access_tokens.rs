//! Access tokens for sessions: signed, not stored.

use pgrx::pg_sys::BuiltinOid::UUIDOID;
use pgrx::spi::SpiClient;
use registrar_core::{AccessTokenClaims, ISSUER};
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use super::secrets;
use crate::pg::{self, Jsonb, Timestamp};
use crate::settings;

static CLAIMS: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        format!(
            "SELECT coalesce(nullif({}, ''), 'authenticated'), coalesce(email::text, ''), coalesce({}, ''), {}
             FROM auth.users WHERE id = $1",
            columns.or_null("role", "text"),
            columns.or_null("phone", "text"),
            columns.or_null("raw_app_meta_data", "jsonb"),
        )
    },
    &[UUIDOID],
);

/// A token for a session, with its expiry; `None` where there is no secret to sign it with.
pub(crate) fn issue(client: &mut SpiClient<'_>, user_id: Uuid, session_id: Uuid) -> Option<(String, Timestamp)> {
    let secret = secrets::jwt_secret(client)?;
    let now = pg::transaction_start();
    let expires_at = now.plus_seconds(settings::access_token_lifetime());
    let row = CLAIMS.run(client, &[pg_uuid(user_id).into()]).first();
    let text = |place| row.get::<String>(place).ok().flatten();
    let app_metadata: Option<Jsonb> = row.get(4).ok().flatten();
    let app_metadata = app_metadata.and_then(|json| serde_json::from_str(&json.into_text()).ok());
    let claims = AccessTokenClaims {
        iss: ISSUER,
        aud: "authenticated",
        sub: user_id,
        role: &text(1)?,
        email: &text(2)?,
        phone: &text(3)?,
        session_id,
        app_metadata: app_metadata.unwrap_or_else(|| serde_json::json!({})),
        iat: now.to_utc().timestamp(),
        exp: expires_at.to_utc().timestamp(),
    };
    Some((claims.sign(&secret), expires_at))
}
