//! Statements on sessions and their tokens, one-time tokens, factors and the audit log.

use serde_json::{Value, json};
use uuid::Uuid;

use super::statements::Statements;
use super::{AuthUser, Shape, new_id};

impl Statements<'_> {
    pub(super) fn audit(&mut self, user: &AuthUser, action: &str, traits: Value) {
        let payload = json!({
            "actor_id": user.id, "actor_username": user.phone.as_ref().or(user.email.as_ref()), "actor_via_sso": user.shape == Shape::Sso,
            "action": action, "log_type": "user", "traits": traits,
        });
        self.write(
            "INSERT INTO audit_log_entries (created_at, id, instance_id, ip_address, payload)
             VALUES (clock_timestamp(), $1, '00000000-0000-0000-0000-000000000000', '', $2)",
            &[&new_id(), &payload],
        );
    }

    /// After the message has gone out, inside the transaction.
    pub(super) fn send_confirmation(&mut self, user: &AuthUser) {
        let token = new_id().simple().to_string();
        self.update(user, "confirmation_token = $2, confirmation_sent_at = clock_timestamp()", &[&token]);
        let address = user.email.clone().or_else(|| user.phone.clone()).unwrap_or_default();
        self.issue_one_time_token(user, "confirmation_token", &token, &address);
    }

    pub(super) fn issue_one_time_token(&mut self, user: &AuthUser, kind: &str, token: &str, address: &str) {
        let delete = "DELETE FROM one_time_tokens WHERE token_type = $1::text::one_time_token_type AND user_id = $2";
        self.execute(delete, &[&kind, &user.id]);
        self.write(
            "INSERT INTO one_time_tokens (created_at, id, relates_to, token_hash, token_type, updated_at, user_id)
             VALUES (clock_timestamp(), $1, $2, $3, $4::text::one_time_token_type, clock_timestamp(), $5)",
            &[&new_id(), &address, &token, &kind, &user.id],
        );
    }

    pub(super) fn clear_one_time_tokens(&mut self, user: &AuthUser) {
        self.execute("DELETE FROM one_time_tokens WHERE user_id = $1", &[&user.id]);
    }

    pub(super) fn open_session(&mut self, user: &AuthUser, method: &str) {
        let session = new_id();
        self.write(
            "INSERT INTO sessions (aal, created_at, factor_id, id, ip, not_after, oauth_client_id, refresh_token_counter,
                 refresh_token_hmac_key, refreshed_at, scopes, tag, updated_at, user_agent, user_id)
             VALUES ('aal1', clock_timestamp(), NULL, $1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, clock_timestamp(), 'node', $2)",
            &[&session, &user.id],
        );
        self.write(
            "INSERT INTO refresh_tokens (created_at, instance_id, parent, revoked, session_id, token, updated_at, user_id)
             VALUES (clock_timestamp(), '00000000-0000-0000-0000-000000000000', NULL, false, $1, $2, clock_timestamp(), $3)",
            &[&session, &new_id().simple().to_string(), &user.id.to_string()],
        );
        self.update(user, "last_sign_in_at = clock_timestamp()", &[]);
        self.write(
            "INSERT INTO mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
             VALUES ($1, $2, clock_timestamp(), clock_timestamp(), $3)
             ON CONFLICT ON CONSTRAINT mfa_amr_claims_session_id_authentication_method_pkey
             DO UPDATE SET updated_at = clock_timestamp()",
            &[&new_id(), &session, &method],
        );
    }

    pub(super) fn swap_refresh_token(&mut self, user: &AuthUser) {
        let find =
            "SELECT token, session_id FROM refresh_tokens WHERE user_id = $1 AND NOT revoked ORDER BY id DESC LIMIT 1
                    FOR UPDATE SKIP LOCKED";
        let row = self.rows(find, &[&user.id.to_string()]).remove(0);
        let (token, session): (String, Uuid) = (row.get(0), row.get(1));
        self.audit(user, "token_refreshed", Value::Null);
        self.audit(user, "token_revoked", Value::Null);
        self.write(
            "UPDATE refresh_tokens SET revoked = true, updated_at = clock_timestamp() WHERE token = $1",
            &[&token],
        );
        self.write(
            "INSERT INTO refresh_tokens (created_at, instance_id, parent, revoked, session_id, token, updated_at, user_id)
             VALUES (clock_timestamp(), '00000000-0000-0000-0000-000000000000', $1, false, $2, $3, clock_timestamp(), $4)",
            &[&token, &session, &new_id().simple().to_string(), &user.id.to_string()],
        );
        self.update(user, "last_sign_in_at = clock_timestamp()", &[]);
        self.write(
            "UPDATE sessions SET refreshed_at = clock_timestamp(), user_agent = 'node' WHERE id = $1",
            &[&session],
        );
    }

    pub(super) fn end_sessions(&mut self, user: &AuthUser) {
        self.execute("DELETE FROM sessions WHERE user_id = $1", &[&user.id]);
    }

    pub(super) fn delete_factors(&mut self, user: &AuthUser) {
        self.execute("DELETE FROM mfa_factors WHERE user_id = $1", &[&user.id]);
        self.execute("DELETE FROM webauthn_credentials WHERE user_id = $1", &[&user.id]);
    }
}
