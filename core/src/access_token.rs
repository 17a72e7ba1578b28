//! Access tokens: JSON Web Tokens (RFC 7519) signed with HMAC SHA-256 (RFC 7518 §3.2), as PostgREST and Supabase accept them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

/// Who made a token: what registrar refuses when its session has ended.
pub const ISSUER: &str = "registrar";

/// What an access token says of its user. Times are seconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub struct AccessTokenClaims<'a> {
    /// [`ISSUER`].
    pub iss: &'a str,
    /// For whom it is meant: `authenticated`, as Supabase Auth's.
    pub aud: &'a str,
    /// The user.
    pub sub: Uuid,
    /// The PostgreSQL role that a request with it has.
    pub role: &'a str,
    /// The user's address; empty where there is none, as Supabase Auth has it.
    pub email: &'a str,
    /// The user's number, in digits; empty where there is none.
    pub phone: &'a str,
    /// The session that it was made for.
    pub session_id: Uuid,
    /// What the app's administrators say of the user, their role in the app among it.
    pub app_metadata: Value,
    /// When it was made.
    pub iat: i64,
    /// When it expires.
    pub exp: i64,
}

impl AccessTokenClaims<'_> {
    /// The token in the compact form of RFC 7515 §7.1.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length, and the claims have string keys only.
    #[must_use]
    pub fn sign(&self, secret: &SecretString) -> String {
        let claims = serde_json::to_vec(self).expect("the claims have string keys");
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let key = secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac.finalize().into_bytes(), &mut token);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the signing input of RFC 7515, Appendix A.1, whose signature it gives.
    #[test]
    fn the_signature_is_that_of_the_rfc() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(input.as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn a_token_has_the_claims_and_a_signature_by_the_secret() {
        let claims = AccessTokenClaims {
            iss: ISSUER,
            aud: "authenticated",
            sub: Uuid::nil(),
            role: "authenticated",
            email: "a@example.com",
            phone: "",
            session_id: Uuid::max(),
            app_metadata: serde_json::json!({"role": "admin"}),
            iat: 1,
            exp: 901,
        };
        let token = claims.sign(&"a secret of at least thirty-two bytes".into());
        let parts: Vec<_> = token.split('.').collect();
        let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!((&read["exp"], &read["app_metadata"]["role"]), (&901.into(), &"admin".into()));
        assert_eq!(parts.len(), 3);
        assert_ne!(token, claims.sign(&"another".into()));
    }
}
