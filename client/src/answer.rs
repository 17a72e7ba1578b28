//! Reading an answer: registrar's envelope, PostgREST's own errors, and whatever a proxy says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use registrar_core::{Envelope, ErrorCode, FieldError};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER, SERVER};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, Result};

/// PostgREST's codes for "no such function", "no such schema", "no such path"; PostgreSQL's for a function and a schema that
/// do not exist.
const NOT_EXPOSED: &[&str] =
    &["PGRST106", "PGRST117", "PGRST125", "PGRST202", "PGRST203", "PGRST205", "42883", "3F000"];
/// PostgREST's codes for a database that cannot be reached, then the SQLSTATE classes that pass by themselves: connection
/// lost, rolled back in favour of another transaction, out of resources, shut down. `PGRST500` is postrust's word, with
/// status 500, for a database that cannot be reached.
const TEMPORARY: &[&str] = &["PGRST000", "PGRST001", "PGRST002", "PGRST003", "PGRST500", "08", "40", "53", "57P"];

/// An answer, whoever gave it.
pub(crate) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// `Server`, `Content-Type` and `Location`, for an answer that does not explain itself.
    origin: String,
    body: Vec<u8>,
    request_id: Uuid,
}

impl Answer {
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: Vec<u8>,
        request_id: Uuid,
        now: DateTime<Utc>,
    ) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let mut origin = String::new();
        for (word, name) in [("from", SERVER), ("of type", CONTENT_TYPE), ("to", LOCATION)] {
            if let Some(value) = text(name) {
                origin.push_str(&format!(" {word} {value}"));
            }
        }
        let retry_after = text(RETRY_AFTER).and_then(|value| parse_retry_after(value, now));
        Self { status, retry_after, origin, body, request_id }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The data of a success, or the error that the answer tells of.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(Value::Object(object)) if object.contains_key("success") => self.read_envelope(Value::Object(object)),
            Ok(json) if !self.status.is_success() => Err(self.refused_by_gateway(&json)),
            Ok(_) => Err(self.undecodable(".", "not registrar's envelope")),
            Err(_) if !self.status.is_success() => Err(self.refused_by_gateway(&Value::Null)),
            Err(error) if error.is_eof() => Err(self.undecodable(".", "cut off")),
            Err(_) => Err(self.undecodable(".", "not JSON")),
        }
    }

    /// What the function returned, where it has no envelope, or the error that the answer tells of.
    pub(crate) fn read_rows<T: DeserializeOwned>(self) -> Result<T> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) if !self.status.is_success() => Err(self.refused_by_gateway(&json)),
            Err(_) if !self.status.is_success() => Err(self.refused_by_gateway(&Value::Null)),
            Ok(json) => serde_path_to_error::deserialize(json)
                .map_err(|error| self.undecodable(&error.path().to_string(), "missing or of another type")),
            Err(error) if error.is_eof() => Err(self.undecodable(".", "cut off")),
            Err(_) => Err(self.undecodable(".", "not JSON")),
        }
    }

    fn read_envelope<T: DeserializeOwned>(self, json: Value) -> Result<T> {
        let envelope: Envelope<T> = serde_path_to_error::deserialize(json)
            .map_err(|error| self.undecodable(&error.path().to_string(), "missing or of another type"))?;
        if !envelope.success {
            return Err(self.refused_by_registrar(envelope.message.into(), envelope.errors));
        }
        envelope.data.ok_or_else(|| self.undecodable("data", "null"))
    }

    fn refused_by_registrar(&self, message: String, errors: Vec<FieldError>) -> Error {
        let mut refusal = Error::api(self.status(), message, errors);
        if let Error::Api { request_id, retry_after, .. } = &mut refusal {
            (*request_id, *retry_after) = (Some(self.request_id), self.retry_after);
        }
        refusal
    }

    fn refused_by_gateway(&self, json: &Value) -> Error {
        let (status, request_id, retry_after) = (self.status(), self.request_id, self.retry_after);
        let code = json.get("code").and_then(Value::as_str).map(ToOwned::to_owned);
        let message = explanation(json).unwrap_or_else(|| self.unexplained());
        let class = code.as_deref().unwrap_or_default();
        let temporary = TEMPORARY.iter().any(|prefix| class.starts_with(prefix));
        match status {
            429 => self
                .refused_by_registrar(message, vec![FieldError::of_call(ErrorCode::RateLimited, "Too many requests.")]),
            _ if class == "42501" => Error::Forbidden { status, code, message, request_id },
            _ if NOT_EXPOSED.contains(&class) => Error::NotExposed { status, code, message, request_id },
            401 => Error::Unauthorized { code, message, request_id },
            403 => Error::Forbidden { status, code, message, request_id },
            404..=406 => Error::NotExposed { status, code, message, request_id },
            502..=504 => Error::Unavailable { status, code, message, request_id, retry_after },
            _ if temporary => Error::Unavailable { status, code, message, request_id, retry_after },
            _ => Error::Unexpected { status, code, message, request_id },
        }
    }

    fn unexplained(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or("no reason given");
        format!("{} {reason}{}.", self.status(), self.origin)
    }

    fn undecodable(&self, path: &str, reason: &'static str) -> Error {
        Error::Decode { path: path.to_owned(), reason, status: self.status(), request_id: self.request_id }
    }
}

/// What the gateway says, with its hint. The names are those of PostgREST and Kong, and of Supabase's other services.
fn explanation(json: &Value) -> Option<String> {
    let text = |name| json.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let message = ["message", "msg", "error_description", "error"].into_iter().find_map(text)?;
    Some(text("hint").map_or(message.to_owned(), |hint| format!("{}. {hint}", message.trim_end_matches('.'))))
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use registrar_core::{Finding, Registration, Severity, Verified};

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), reqwest::header::HeaderValue::from_static(value)))
            .collect();
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        Answer::new(StatusCode::from_u16(status).unwrap(), &headers, body.into(), Uuid::nil(), now)
    }

    fn error(status: u16, body: &str) -> Error {
        answer(status, &[], body).read::<Registration>().unwrap_err()
    }

    const REGISTERED: &str = r#"{"success": true, "message": "User and profile created successfully", "errors": [],
        "data": {"user": {"id": "5c4b6e9a-53d3-4a6f-9c9f-10e1b0c5d2aa", "email": "user@example.com", "phone": null,
                          "role": "user", "email_confirmed_at": null, "created_at": "2026-01-01T00:00:00+00:00",
                          "updated_at": "2026-01-01T00:00:00.123456+00:00", "later_column": 1},
                 "profile": {"full_name": "Full Name"},
                 "verification": {"token": "t0ken", "expires_at": "2026-01-01T00:30:00+00:00"}}}"#;

    #[test]
    fn a_success_is_its_data() {
        let registration: Registration = answer(201, &[], REGISTERED).read().unwrap();
        assert_eq!(registration.user.email.as_deref(), Some("user@example.com"));
        assert_eq!(registration.verification.unwrap().token, "t0ken");
        assert_eq!(registration.profile.unwrap()["full_name"], "Full Name");
    }

    #[test]
    fn a_refusal_of_registrar_keeps_code_fields_and_hint() {
        let body = r#"{"success": false, "message": "2 fields need attention.", "data": null, "errors": [
            {"field": "role", "code": "invalid_role", "message": "No such role.", "hint": null},
            {"field": "email", "code": "validation_failed", "message": "Not valid.", "hint": "Like name@example.com."}]}"#;
        let Error::Api { code, status, message, hint, errors, request_id, .. } = error(400, body) else { panic!() };
        assert_eq!((code, status), (ErrorCode::ValidationFailed, 400));
        assert_eq!((message.as_str(), &*hint), ("2 fields need attention.", "Like name@example.com."));
        assert_eq!(errors.iter().map(|e| e.field.as_deref().unwrap()).collect::<Vec<_>>(), ["role", "email"]);
        assert_eq!(request_id, Some(Uuid::nil()));
    }

    #[test]
    fn a_code_of_a_newer_server_is_still_a_refusal() {
        let body = r#"{"success": false, "message": "Come back on Monday.", "data": null,
            "errors": [{"field": null, "code": "closed_today", "message": "Come back on Monday.", "hint": "Monday"}]}"#;
        assert!(matches!(error(409, body), Error::Api { code: ErrorCode::Unknown, status: 409, .. }));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let body = r#"{"success": false, "message": "Too many requests.", "data": null,
            "errors": [{"field": null, "code": "rate_limited", "message": "Too many requests.", "hint": null}]}"#;
        for (value, seconds) in [
            ("17", Some(17)),
            ("Thu, 01 Jan 2026 00:00:42 GMT", Some(42)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let error = answer(429, &[("retry-after", value)], body).read::<Registration>().unwrap_err();
            assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{value}");
            assert!(error.is_retryable());
        }
    }

    #[test]
    fn a_gateways_own_429_is_a_rate_limit() {
        let error = answer(429, &[("retry-after", "3")], r#"{"message":"API rate limit exceeded"}"#).read::<Verified>();
        let Err(Error::Api { code: ErrorCode::RateLimited, message, retry_after, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!((message.as_str(), retry_after), ("API rate limit exceeded", Some(Duration::from_secs(3))));
    }

    /// Bodies as PostgREST, postrust, Kong and nginx give them.
    #[test]
    fn errors_of_the_gateway_are_told_apart() {
        let html = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
        for (status, body, code) in [
            (401, r#"{"code":"PGRST301","details":null,"hint":null,"message":"JWT expired"}"#, "unauthorized"),
            (401, r#"{"code":"PGRST303","details":null,"hint":null,"message":"JWT expired"}"#, "unauthorized"),
            (
                401,
                r#"{"code":"PGRST302","details":null,"hint":null,"message":"Anonymous access is disabled"}"#,
                "unauthorized",
            ),
            (401, r#"{"message":"Invalid authentication credentials"}"#, "unauthorized"),
            (
                401,
                r#"{"code":"42501","details":null,"hint":null,"message":"permission denied for function register_user_with_token"}"#,
                "forbidden",
            ),
            (
                403,
                r#"{"code":"42501","details":null,"hint":null,"message":"permission denied for schema registrar"}"#,
                "forbidden",
            ),
            (403, html, "forbidden"),
            (
                404,
                r#"{"code":"PGRST202","details":"Searched for the function registrar.register_user_with_token with parameter p_email","hint":null,"message":"Could not find the function registrar.register_user_with_token(p_email) in the schema cache"}"#,
                "not_exposed",
            ),
            (
                406,
                r#"{"code":"PGRST106","details":null,"hint":null,"message":"The schema must be one of the following: public"}"#,
                "not_exposed",
            ),
            (404, r#"{"message":"no Route matched with those values"}"#, "not_exposed"),
            (404, html, "not_exposed"),
            (405, "", "not_exposed"),
            (
                503,
                r#"{"code":"PGRST000","details":"connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused","hint":null,"message":"Database connection error. Retrying the connection."}"#,
                "unavailable",
            ),
            (
                504,
                r#"{"code":"PGRST003","details":null,"hint":null,"message":"Timed out acquiring connection from connection pool."}"#,
                "unavailable",
            ),
            (
                500,
                r#"{"code":"40001","details":null,"hint":null,"message":"could not serialize access due to concurrent update"}"#,
                "unavailable",
            ),
            (500, r#"{"code":"57P01","message":"terminating connection due to administrator command"}"#, "unavailable"),
            (
                500,
                r#"{"code":"PGRST500","details":null,"hint":null,"message":"Service temporarily unavailable"}"#,
                "unavailable",
            ),
            (502, html, "unavailable"),
            (504, "upstream request timeout", "unavailable"),
            (500, r#"{"code":"57014","message":"canceling statement due to statement timeout"}"#, "unexpected"),
            (400, r#"{"code":"PGRST102","details":null,"hint":null,"message":"Empty or invalid json"}"#, "unexpected"),
            (413, html, "unexpected"),
            (301, "", "unexpected"),
        ] {
            let error = error(status, body);
            assert_eq!(error.code(), code, "{status} {body}");
            assert_eq!(error.request_id(), Some(Uuid::nil()));
            assert!(!error.to_string().contains('<'), "{error}");
        }
    }

    #[test]
    fn the_message_is_the_gateways_with_its_hint() {
        let body = r#"{"message":"No API key found in request","hint":"No `apikey` request header was found."}"#;
        assert_eq!(
            error(401, body).to_string(),
            "The key was not accepted: No API key found in request. No `apikey` request header was found."
        );
    }

    #[test]
    fn an_answer_that_explains_nothing_is_told_by_its_headers() {
        let headers = [("server", "nginx/1.27"), ("content-type", "text/html"), ("location", "https://a.example/")];
        let error = answer(308, &headers, "<html>").read::<Registration>().unwrap_err().to_string();
        assert!(
            error.ends_with("308 Permanent Redirect from nginx/1.27 of type text/html to https://a.example/."),
            "{error}"
        );
        assert_eq!(
            answer(502, &[], "").read::<Registration>().unwrap_err().to_string(),
            "The service is not available: 502 Bad Gateway."
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_path_and_never_repeated() {
        let other_type = REGISTERED.replace("\"t0ken\"", "{\"t0ken\": 1}");
        let cut_off = &REGISTERED[..REGISTERED.len() - 3];
        for (body, expected) in [
            (other_type.as_str(), "data.verification.token"),
            (&REGISTERED.replace("5c4b6e9a", "t0ken"), "data.user.id"),
            (cut_off, "."),
            ("<html>t0ken</html>", "."),
            ("", "."),
            ("[]", "."),
            (r#"{"token": "t0ken"}"#, "."),
            (r#"{"success": true, "message": "", "data": null, "errors": []}"#, "data"),
        ] {
            let error = error(200, body);
            let Error::Decode { path, .. } = &error else { panic!("{error:?}") };
            assert_eq!(path, expected, "{body}");
            assert!(!format!("{error:?} {error}").contains("t0ken"), "{error:?}");
        }
    }
    #[test]
    fn rows_come_without_an_envelope() {
        let rows =
            r#"[{"check": "orphans", "severity": "ok", "object": null, "finding": "", "why": null, "fix_sql": null}]"#;
        let findings: Vec<Finding> = answer(200, &[], rows).read_rows().unwrap();
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Ok));
        assert_eq!(answer(200, &[], "[]").read_rows::<Vec<Finding>>().unwrap(), []);

        let read = |status, body| answer(status, &[], body).read_rows::<Vec<Finding>>().unwrap_err();
        let denied = r#"{"code": "42501", "message": "permission denied for function doctor"}"#;
        assert!(matches!(read(403, denied), Error::Forbidden { .. }));
        assert!(matches!(read(502, ""), Error::Unavailable { .. }));
        for (body, expected) in [(&rows.replace("\"ok\"", "7"), "[0].severity"), (&rows[..9].to_owned(), ".")] {
            let Error::Decode { path, .. } = read(200, body) else { panic!("{body}") };
            assert_eq!(&path, expected, "{body}");
        }
    }
}
