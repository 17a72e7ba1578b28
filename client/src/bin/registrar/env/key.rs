//! What a key says of itself, without the secret that it is signed with.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use registrar_client::Severity;
use serde::Deserialize;

/// A key that ends so soon is told of before it does.
const SOON: TimeDelta = TimeDelta::days(7);

#[derive(Deserialize)]
struct Claims {
    role: Option<String>,
    /// Seconds since 1970 (RFC 7519), with or without a fraction.
    exp: Option<f64>,
}

/// How good a key is for a role, and why, without a character of it.
pub(super) fn judge(key: &str, role: &str, now: DateTime<Utc>) -> (Severity, String) {
    // Supabase's newer keys are names that the gateway looks up.
    for (prefix, meant) in [("sb_secret_", "service_role"), ("sb_publishable_", "anon")] {
        if key.starts_with(prefix) {
            return match meant == role {
                true => (Severity::Ok, format!("a key of Supabase's newer kind, {prefix}…")),
                false => (Severity::Error, format!("a key {prefix}…, which is {meant}'s and not {role}'s")),
            };
        }
    }
    let Some(claims) = claims(key) else {
        return (Severity::Error, "no JWT: three parts of base64url with dots between".to_owned());
    };
    match &claims.role {
        None => return (Severity::Error, "a JWT without a role".to_owned()),
        Some(other) if other != role => {
            return (Severity::Error, format!("a JWT of the role {}, and {role} is needed", shortened(other)));
        }
        Some(_) => {}
    }
    let Some(end) = claims.exp else { return (Severity::Ok, format!("a JWT of the role {role} that never expires")) };
    // Beyond what a date can be, it is as good as never.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float becomes the nearest whole number, and the greatest at most"
    )]
    let end = DateTime::from_timestamp(end as i64, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let day = end.date_naive();
    if end <= now {
        (Severity::Error, format!("a JWT of the role {role} that expired on {day}"))
    } else if end - now < SOON {
        (Severity::Warning, format!("a JWT of the role {role} that expires on {day}"))
    } else {
        (Severity::Ok, format!("a JWT of the role {role}, valid until {day}"))
    }
}

fn claims(key: &str) -> Option<Claims> {
    let [_, payload, _] = <[&str; 3]>::try_from(key.split('.').collect::<Vec<_>>()).ok()?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// A role's name, and no more of what stands in its place.
fn shortened(role: &str) -> String {
    role.chars().take(63).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key(claims: &Value) -> String {
        format!("header.{}.secret-signature", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn a_key_is_judged_by_role_and_time() {
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let (seconds, year) = (now.timestamp(), 365 * 86_400);
        for (key, severity, words) in [
            (key(&json!({"role": "service_role", "exp": seconds + year})), Severity::Ok, "valid until 2027-01-01"),
            (key(&json!({"role": "service_role"})), Severity::Ok, "never expires"),
            (key(&json!({"role": "service_role", "exp": 1e300})), Severity::Ok, "valid until"),
            (key(&json!({"role": "service_role", "exp": seconds + 3600})), Severity::Warning, "expires on 2026-01-01"),
            (key(&json!({"role": "service_role", "exp": seconds})), Severity::Error, "expired on 2026-01-01"),
            (key(&json!({"role": "anon", "exp": seconds + year})), Severity::Error, "of the role anon"),
            (key(&json!({"exp": seconds + year})), Severity::Error, "without a role"),
            ("sb_secret_abc".to_owned(), Severity::Ok, "newer kind"),
            ("sb_publishable_abc".to_owned(), Severity::Error, "anon's"),
            ("header.nonsense!.secret-signature".to_owned(), Severity::Error, "no JWT"),
            ("nonsense".to_owned(), Severity::Error, "no JWT"),
        ] {
            let (found, told) = judge(&key, "service_role", now);
            assert!(found == severity && told.contains(words), "{key}: {found} {told}");
            assert!(!told.contains("secret-signature") && !told.contains("abc"), "{told}");
        }
    }
}
