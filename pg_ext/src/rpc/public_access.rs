//! `allow_public_sign_in`: what visitors may call without a back end between.

use pgrx::prelude::*;
use serde_json::json;

use super::setup::{raise, require_setup, require_superuser};
use crate::pg::Function;
use crate::store::public_access::{self, PublicAccess};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn allow_public_sign_in(
    p_allowed: default!(Option<bool>, "true"),
    p_sender: default!(Option<Function>, "NULL"),
) -> pgrx::JsonB {
    Spi::connect_mut(|client| {
        require_superuser(client, "allow_public_sign_in()");
        require_setup(client);
        if let Some(Function(function)) = p_sender
            && !public_access::is_sender(client, function)
        {
            let hint = "CREATE FUNCTION app.send_message(message jsonb) RETURNS void …";
            let message = "a function that sends messages takes one jsonb";
            raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, hint)
        }
        let sender = p_sender.map(|Function(function)| function);
        public_access::allow_sign_in(client, p_allowed.unwrap_or(true), sender);
        let (is_allowed, sender) = match public_access::read(client) {
            PublicAccess::Nothing => (false, None),
            PublicAccess::SignIn { sender } => (true, sender),
        };
        pgrx::JsonB(json!({"sign_in": is_allowed, "sender": sender}))
    })
}
