//! The API roles and the keys that make a caller one of them.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nobody in particular.
    Anon,
    /// A signed-in user.
    Authenticated,
    /// A trusted back end.
    ServiceRole,
}

impl Role {
    /// Every API role.
    pub const ALL: [Role; 3] = [Role::Anon, Role::Authenticated, Role::ServiceRole];

    /// The role's name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Anon => "anon",
            Role::Authenticated => "authenticated",
            Role::ServiceRole => "service_role",
        }
    }
}

/// The secret that a gateway checks keys with.
#[derive(Debug, Clone)]
pub struct JwtSecret(String);

impl JwtSecret {
    /// A new secret, of the 32 characters at least that PostgREST asks for.
    pub fn random() -> Self {
        Self(random_password() + &random_password())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A key for a role, valid for ten years as a project's own keys are.
    pub fn key(&self, role: Role) -> String {
        self.sign(&json!({ "role": role.as_str(), "iat": now(), "exp": now() + 10 * 365 * 24 * 3600 }))
    }

    /// A key for a role that expired an hour ago.
    pub fn expired_key(&self, role: Role) -> String {
        self.sign(&json!({ "role": role.as_str(), "iat": now() - 7200, "exp": now() - 3600 }))
    }

    /// The access token of a signed-in user.
    pub fn user_key(&self, user_id: Uuid) -> String {
        let role = Role::Authenticated.as_str();
        self.sign(&json!({ "role": role, "aud": role, "sub": user_id, "iat": now(), "exp": now() + 3600 }))
    }

    /// A token with any claims, signed with HS256 (RFC 7519, RFC 7515).
    pub fn sign(&self, claims: &Value) -> String {
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

/// A password that needs no escaping in a URL, in SQL or in a shell.
pub(crate) fn random_password() -> String {
    Uuid::new_v4().simple().to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_another_implementation_signs() {
        let token = JwtSecret("your-256-bit-secret".into()).sign(&json!({"sub": "1234567890"}));
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.\
             dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
        );
    }
}
