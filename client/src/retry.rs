//! What is repeated, and when not.

use std::time::Duration;

use backon::ExponentialBuilder;

use crate::Error;

/// How often and at which pace failed calls are repeated.
///
/// *Whether* a call is repeated is no setting but follows from what a repetition could do:
///
/// | failure | `register`, [`Profiles`](crate::Profiles), reading sessions | `resend_verification`, `send_otp`, `request_password_reset`, `sign_in`, `refresh_session`, `change_password`, `create`, `create_many` | `verify_email`, `verify_otp`, `reset_password`, `logout` |
/// |---|---|---|---|
/// | no connection: refused, unknown name, TLS, connect timeout | yes | yes | yes |
/// | not begun: 429; `PGRST000`, `PGRST002`, `PGRST003` | yes | yes | no |
/// | outcome unknown: connection lost, timeout, 502, 503, 504 | yes | no | no |
/// | any other answer | no | no | no |
///
/// - `register` always sends an idempotency key, so that a second request finds the user that the first one made.
/// - The calls of [`Profiles`](crate::Profiles) read, or write the same values again: `update`, `update_many`, `import`,
///   `repair` and `backfill_batch` leave the same rows after two requests as after one.
/// - `create` and `create_many` make a profile once: were the first request carried out and its answer lost, a second one
///   would report `profile_exists` for what was a success.
/// - `resend_verification` uses up every older token: a first request that is late rather than lost could overtake the
///   second and leave the caller with a dead token.
/// - `sign_in` and `change_password` count as attempts; `refresh_session`, `send_otp` and `request_password_reset` end what was before.
/// - `verify_email`, `verify_otp` and `reset_password` take what works once: were the first request carried out and its answer lost, a second one
///   would report `token_invalid` for what was a success.
///
/// The pause doubles from 200 ms up to 5 s, each with jitter of up to its own length; a longer `Retry-After` is honoured. No
/// repetition begins that, lasting as long as the attempt before it, would not end within
/// [`ClientBuilder::timeout`](crate::ClientBuilder::timeout): then the last error is returned at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    times: usize,
    first_pause: Duration,
    longest_pause: Duration,
}

impl Default for Retry {
    /// Up to 3 repetitions: enough for a restart of the gateway or a lost packet; an outage is not waited out.
    fn default() -> Self {
        Self::times(3)
    }
}

impl Retry {
    /// Up to so many repetitions after the first attempt.
    #[must_use]
    pub const fn times(times: usize) -> Self {
        Self { times, first_pause: Duration::from_millis(200), longest_pause: Duration::from_secs(5) }
    }

    /// No repetitions: every failure is reported as it comes.
    #[must_use]
    pub const fn none() -> Self {
        Self::times(0)
    }

    /// Other pauses: the first, and the longest that doubling it leads to.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    pub(crate) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_max_times(self.times)
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_jitter()
    }
}

/// Which failures of a call may be followed by a repetition: the columns of the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeatable {
    /// Carrying it out twice is the same as once.
    Always,
    /// Only while it is certain that the server did not begin.
    UntilBegun,
    /// Only while it is certain that the server did not see it.
    UntilSent,
}

impl Repeatable {
    pub(crate) fn after(self, error: &Error) -> bool {
        let unsent =
            matches!(error, Error::Transport { connected: false, .. } | Error::Timeout { connected: false, .. });
        match self {
            Self::Always => error.is_retryable(),
            Self::UntilBegun => unsent || error.refused_unprocessed(),
            Self::UntilSent => unsent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backon::BackoffBuilder;
    use registrar_core::{ErrorCode, FieldError};
    use uuid::Uuid;

    fn unavailable(status: u16, code: Option<&str>) -> Error {
        let (message, request_id) = (String::new(), Uuid::nil());
        Error::Unavailable { status, code: code.map(Into::into), message, request_id, retry_after: None }
    }

    fn transport(connected: bool) -> Error {
        let source = std::sync::Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        Error::Transport { address: String::new(), connected, request_id: Uuid::nil(), source }
    }

    fn timeout(connected: bool) -> Error {
        Error::Timeout { address: String::new(), connected, after: Duration::ZERO, request_id: Uuid::nil() }
    }

    fn api(code: ErrorCode) -> Error {
        Error::api(code.status(), String::new(), vec![FieldError::of_call(code, "")])
    }

    #[test]
    fn the_policy_is_the_table() {
        let table = [
            (vec![transport(false), timeout(false)], [true, true, true]),
            (
                vec![
                    api(ErrorCode::RateLimited),
                    unavailable(503, Some("PGRST000")),
                    unavailable(503, Some("PGRST002")),
                    unavailable(504, Some("PGRST003")),
                ],
                [true, true, false],
            ),
            (
                vec![
                    transport(true),
                    timeout(true),
                    unavailable(502, None),
                    unavailable(503, None),
                    unavailable(504, None),
                    unavailable(503, Some("PGRST001")),
                ],
                [true, false, false],
            ),
            (
                vec![
                    api(ErrorCode::EmailExists),
                    api(ErrorCode::TokenInvalid),
                    api(ErrorCode::Internal),
                    Error::Unauthorized { code: None, message: String::new(), request_id: Uuid::nil() },
                    Error::Decode { path: ".".into(), reason: "not JSON", status: 200, request_id: Uuid::nil() },
                ],
                [false, false, false],
            ),
        ];
        for (errors, expected) in table {
            for error in errors {
                let columns = [Repeatable::Always, Repeatable::UntilBegun, Repeatable::UntilSent];
                assert_eq!(columns.map(|column| column.after(&error)), expected, "{error:?}");
            }
        }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let retry = Retry::times(6).pauses(Duration::from_millis(100), Duration::from_millis(400));
        let pauses: Vec<_> = retry.backoff().build().map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses.len(), 6);
        for (pause, base) in pauses.iter().zip([100, 200, 400, 400, 400, 400]) {
            assert!((base..=2 * base).contains(pause), "{pauses:?}");
        }
    }

    #[test]
    fn none_is_none() {
        assert_eq!(Retry::none().backoff().build().count(), 0);
    }
}
