//! Everything that can go wrong, and what to do about it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use registrar_core::{ErrorCode, FieldError};
use uuid::Uuid;

/// What the calls of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// The variants are told apart by who refused: the client itself ([`Config`](Self::Config)), registrar
/// ([`Api`](Self::Api)), the gateway before it ([`Unauthorized`](Self::Unauthorized), [`Forbidden`](Self::Forbidden),
/// [`NotExposed`](Self::NotExposed), [`Unavailable`](Self::Unavailable), [`Unexpected`](Self::Unexpected)), the network
/// ([`Transport`](Self::Transport), [`Timeout`](Self::Timeout)), or the reading of the answer ([`Decode`](Self::Decode)).
///
/// `Display` is one sentence without the cause, which is the [`source`](std::error::Error::source). No variant holds a
/// key, password, hash or token. A `request_id` is the `X-Request-Id` that was sent, to be looked up in the server's logs.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot be built as it is set up; nothing was sent.
    ///
    /// *Cause:* a missing or malformed address or key, two addresses, a timeout out of range, no CA certificates.
    /// *What to do:* correct the setting; repeating does not help.
    #[error("{setting}: {message}")]
    Config {
        /// The method of [`ClientBuilder`](crate::ClientBuilder) to look at.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },

    /// registrar refused the call, for the reasons in `errors`. Nothing was written but the audit row.
    ///
    /// *Status:* that of the code, see [`ErrorCode`], which also says what each means. *What to do:* match on `code`;
    /// show `errors` beside the fields they name. The same variant reports a password that the client refuses before it
    /// hashes it, and a gateway's own 429.
    #[error("{message}")]
    Api {
        /// The code that decided the status.
        code: ErrorCode,
        /// The HTTP status.
        status: u16,
        /// A sentence for a person.
        message: String,
        /// What to do about it.
        hint: Cow<'static, str>,
        /// Every reason, each with its field where it has one.
        errors: Vec<FieldError>,
        /// `None` where the client refused before anything was sent.
        request_id: Option<Uuid>,
        /// How long to wait before the next call, where the answer said so.
        retry_after: Option<Duration>,
    },

    /// The gateway does not accept the key.
    ///
    /// *Status:* 401. *Cause:* a key that is missing, of another project, signed with another secret, or expired
    /// (`PGRST301` … `PGRST303`). *What to do:* set the service_role key of this very project; a key of self-hosting is
    /// signed with the `JWT_SECRET` of the gateway.
    #[error("The key was not accepted: {message}")]
    Unauthorized {
        /// PostgREST's code, if it gave one.
        code: Option<String>,
        /// The gateway's explanation.
        message: String,
        /// The id of the request.
        request_id: Uuid,
    },

    /// The key is valid, but its role may not make this call.
    ///
    /// *Status:* 403, or 401 where the gateway took the call for an anonymous one; SQLSTATE `42501`. *Cause:* the key of
    /// anon or of a user in place of the service_role key, or a missing grant. *What to do:* use the service_role key;
    /// if it is that, `SELECT registrar.setup();` restores the grants.
    #[error("This key may not make the call: {message}")]
    Forbidden {
        /// The HTTP status.
        status: u16,
        /// PostgREST's code or the SQLSTATE, if there was one.
        code: Option<String>,
        /// The gateway's explanation.
        message: String,
        /// The id of the request.
        request_id: Uuid,
    },

    /// There is no registrar at this address.
    ///
    /// *Status:* 404, 405 or 406; `PGRST202`, `PGRST106` … *Cause:* the extension is not installed, the gateway does not
    /// expose the schema `registrar` or has not seen it yet, or the address is not that of PostgREST. *What to do:* `CREATE
    /// EXTENSION registrar; SELECT registrar.setup();`, add `registrar` to the exposed schemas (`PGRST_DB_SCHEMAS`), then
    /// `NOTIFY pgrst, 'reload schema';`.
    #[error("The registrar schema is not exposed at this address, or the extension is not installed: {message}")]
    NotExposed {
        /// The HTTP status.
        status: u16,
        /// PostgREST's code or the SQLSTATE, if there was one.
        code: Option<String>,
        /// The gateway's explanation.
        message: String,
        /// The id of the request.
        request_id: Uuid,
    },

    /// The gateway stands, but what is behind it does not answer.
    ///
    /// *Status:* 502, 503 or 504, or any with a SQLSTATE that says "later". *Cause:* the database is down, starting, out
    /// of connections or failing over. *What to do:* repeat later; the client did so where it is safe ([`Retry`](crate::Retry)).
    #[error("The service is not available: {message}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// PostgREST's code or the SQLSTATE, if there was one.
        code: Option<String>,
        /// The gateway's explanation.
        message: String,
        /// The id of the request.
        request_id: Uuid,
        /// How long to wait, where the answer said so.
        retry_after: Option<Duration>,
    },

    /// The gateway refused in a way that fits none of the above.
    ///
    /// *Status:* any. *Cause:* among others a redirect (the address lacks its `https://` or has moved), a body larger than
    /// a proxy allows, an error that PostgreSQL raised. *What to do:* read `message`; look up `request_id` in the logs of
    /// the gateway. It is not repeated.
    #[error("Unexpected answer with status {status}{}: {message}", code.as_ref().map_or(String::new(), |code| format!(" and code {code}")))]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// PostgREST's code or the SQLSTATE, if there was one.
        code: Option<String>,
        /// The gateway's explanation.
        message: String,
        /// The id of the request.
        request_id: Uuid,
    },

    /// The network failed; there is no answer.
    ///
    /// *Cause:* nothing listens at the address, the name does not resolve, TLS was refused, or the connection broke; the
    /// source tells which. *What to do:* check the address and the network. Where `connected` is true the call may have
    /// been carried out: see [`Error::outcome_unknown`].
    #[error("{}", transport(*.connected, .address))]
    Transport {
        /// The address that was called.
        address: String,
        /// Whether the request may have reached the server.
        connected: bool,
        /// The id of the request.
        request_id: Uuid,
        /// What the network layer says.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// There was no answer in time.
    ///
    /// *Cause:* the server is overloaded or out of reach, or a time limit of [`ClientBuilder`](crate::ClientBuilder) is
    /// too short. *What to do:* as for [`Transport`](Self::Transport).
    #[error("{} {address} within {after:.1?}", if *.connected { "No answer came from" } else { "No connection was made to" })]
    Timeout {
        /// The address that was called.
        address: String,
        /// Whether the request may have reached the server.
        connected: bool,
        /// How long the last attempt waited for it.
        after: Duration,
        /// The id of the request.
        request_id: Uuid,
    },

    /// The answer is not what this version of the client understands. The call was carried out, or the address is not
    /// that of PostgREST.
    ///
    /// *Status:* mostly 2xx. *Cause:* client and extension are of different versions, or something else answers at
    /// the address. *What to do:* update the older one; check the address.
    #[error("The answer is {reason} at {path}")]
    Decode {
        /// Where in the JSON document, like `data.user.id`; `.` is the document as a whole.
        path: String,
        /// What was found there. Never the text itself: it may hold a token.
        reason: &'static str,
        /// The HTTP status.
        status: u16,
        /// The id of the request.
        request_id: Uuid,
    },
}

impl Error {
    /// A refusal of registrar, or of the client in its place.
    pub(crate) fn api(status: u16, message: String, errors: Vec<FieldError>) -> Self {
        let code = FieldError::outcome(&errors);
        let decisive = errors.iter().find(|error| error.code == code);
        let hint = decisive.and_then(|error| error.hint.clone()).unwrap_or(Cow::Borrowed(code.hint()));
        Self::Api { code, status, message, hint, errors, request_id: None, retry_after: None }
    }

    /// A name for the kind of failure that stays the same between versions: registrar's code (`email_exists`), else
    /// `config`, `unauthorized`, `forbidden`, `not_exposed`, `unavailable`, `unexpected`, `transport`, `timeout` or `decode`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Api { code, .. } => code.as_str(),
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotExposed { .. } => "not_exposed",
            Self::Unavailable { .. } => "unavailable",
            Self::Unexpected { .. } => "unexpected",
            Self::Transport { .. } => "transport",
            Self::Timeout { .. } => "timeout",
            Self::Decode { .. } => "decode",
        }
    }

    /// What to do about it, in a sentence for whoever runs the program.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Api { hint, .. } => hint,
            Self::Config { .. } => "Correct the setting and start again.",
            Self::Unauthorized { .. } => {
                "Set the service_role key of this project; when self-hosting, it is a JWT signed with the gateway's secret \
                 that has not expired."
            }
            Self::Forbidden { .. } => {
                "Use the service_role key. If it is that one, SELECT registrar.setup(); restores the grants."
            }
            Self::NotExposed { .. } => {
                "Run CREATE EXTENSION registrar; SELECT registrar.setup(); add registrar to the schemas that PostgREST \
                 exposes (PGRST_DB_SCHEMAS), then NOTIFY pgrst, 'reload schema'; and check the address."
            }
            Self::Unavailable { .. } => "Check that the database is up and takes connections, then try again.",
            Self::Unexpected { .. } => "Look up the request id in the logs of the gateway.",
            Self::Transport { connected: false, .. } => {
                "Check that the server runs there and that the address is right."
            }
            Self::Timeout { connected: false, .. } => "Check the address, the firewall and the network.",
            Self::Transport { .. } | Self::Timeout { .. } => {
                "The call may have been carried out. A registration can be repeated with the same idempotency key; \
                 before another call is repeated, look whether it was."
            }
            Self::Decode { .. } => {
                "Check that the address is that of PostgREST, and that client and extension are of the same version."
            }
        }
    }

    /// Whether the same call may succeed later: the network, the gateway or a rate limit stood in the way, not the call.
    ///
    /// Whether repeating is also *safe* depends on the call; see [`Retry`](crate::Retry) for what the client did by itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Timeout { .. } | Self::Unavailable { .. } => true,
            Self::Api { code, .. } => *code == ErrorCode::RateLimited,
            _ => false,
        }
    }

    /// Whether the call may have been carried out although no answer tells so.
    ///
    /// For `register`, repeat with the same [`idempotency_key`](crate::NewUser::idempotency_key). For `verify_email`,
    /// the token may be used up: that a second call answers `token_invalid` then means nothing. For
    /// `resend_verification`, the older tokens may be used up: resend again. For `create` of
    /// [`Profiles`](crate::Profiles), look with `get`; its other calls can be made again.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Transport { connected, .. } | Self::Timeout { connected, .. } => *connected,
            Self::Unavailable { .. } => !self.refused_unprocessed(),
            _ => false,
        }
    }

    /// Whether the server itself says that it did not begin with the call.
    pub(crate) fn refused_unprocessed(&self) -> bool {
        match self {
            Self::Api { code, .. } => *code == ErrorCode::RateLimited,
            // No connection to the database, no schema cache, no free connection in the pool. PGRST001 is not among
            // them: there the connection was lost in mid-call.
            Self::Unavailable { code: Some(code), .. } => matches!(code.as_str(), "PGRST000" | "PGRST002" | "PGRST003"),
            _ => false,
        }
    }

    /// How long the server asks to wait before the next call.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. }
            | Self::Forbidden { status, .. }
            | Self::NotExposed { status, .. }
            | Self::Unavailable { status, .. }
            | Self::Unexpected { status, .. }
            | Self::Decode { status, .. } => Some(*status),
            Self::Unauthorized { .. } => Some(401),
            Self::Config { .. } | Self::Transport { .. } | Self::Timeout { .. } => None,
        }
    }

    /// The `X-Request-Id` under which the server's logs know the call; `None` where nothing was sent.
    #[must_use]
    pub fn request_id(&self) -> Option<Uuid> {
        match self {
            Self::Config { .. } => None,
            Self::Api { request_id, .. } => *request_id,
            Self::Unauthorized { request_id, .. }
            | Self::Forbidden { request_id, .. }
            | Self::NotExposed { request_id, .. }
            | Self::Unavailable { request_id, .. }
            | Self::Unexpected { request_id, .. }
            | Self::Transport { request_id, .. }
            | Self::Timeout { request_id, .. }
            | Self::Decode { request_id, .. } => Some(*request_id),
        }
    }
}

fn transport(connected: bool, address: &str) -> String {
    if connected {
        format!("The connection to {address} broke before the answer came")
    } else {
        format!("The server at {address} cannot be reached")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(code: Option<&str>) -> Error {
        Error::Unavailable {
            status: 503,
            code: code.map(Into::into),
            message: "down".into(),
            request_id: Uuid::nil(),
            retry_after: None,
        }
    }

    fn timeout(connected: bool) -> Error {
        let address = "http://localhost".into();
        Error::Timeout { address, connected, after: Duration::from_millis(10_040), request_id: Uuid::nil() }
    }

    #[test]
    fn a_validation_error_decides_and_keeps_its_hint() {
        let role = FieldError::new("role", ErrorCode::InvalidRole, "No such role.");
        let email = FieldError::invalid("email", "Not an address.").with_hint("Like name@example.com.");
        let error = Error::api(400, "2 fields need attention.".into(), vec![role, email]);
        assert!(matches!(error, Error::Api { code: ErrorCode::ValidationFailed, status: 400, .. }));
        assert_eq!((error.code(), error.hint()), ("validation_failed", "Like name@example.com."));
    }

    #[test]
    fn without_a_hint_of_its_own_an_error_has_that_of_its_code() {
        let error = Error::api(409, String::new(), vec![FieldError::new("email", ErrorCode::EmailExists, "")]);
        assert_eq!(error.hint(), ErrorCode::EmailExists.hint());
    }

    #[test]
    fn what_may_pass_by_itself_is_retryable() {
        let api = |code| Error::api(429, String::new(), vec![FieldError::of_call(code, "")]);
        assert!(timeout(true).is_retryable() && timeout(false).is_retryable() && unavailable(None).is_retryable());
        assert!(api(ErrorCode::RateLimited).is_retryable());
        assert!(!api(ErrorCode::EmailExists).is_retryable() && !api(ErrorCode::Internal).is_retryable());
        assert!(!Error::Config { setting: "url", message: String::new() }.is_retryable());
    }

    #[test]
    fn the_outcome_is_unknown_only_where_the_request_may_have_arrived() {
        assert!(timeout(true).outcome_unknown() && !timeout(false).outcome_unknown());
        assert!(unavailable(None).outcome_unknown() && unavailable(Some("PGRST001")).outcome_unknown());
        assert!(!unavailable(Some("PGRST000")).outcome_unknown());
    }

    #[test]
    fn display_is_a_sentence() {
        assert_eq!(timeout(true).to_string(), "No answer came from http://localhost within 10.0s");
        assert_eq!(timeout(false).to_string(), "No connection was made to http://localhost within 10.0s");
    }
}
