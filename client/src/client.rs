//! The client, and how one call is made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::Retryable;
use chrono::Utc;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::debug;
use url::Url;
use uuid::Uuid;

use crate::answer::Answer;
use crate::retry::Repeatable;
use crate::{ClientBuilder, Error, Result, Retry};

/// Calls registrar. Cheap to clone: all clones share one pool of connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    attempt_timeout: Duration,
    timeout: Duration,
    retry: Retry,
}

/// One call of the API, ready to be sent as often as needed.
pub(crate) struct Call {
    function: &'static str,
    body: Vec<u8>,
    repeatable: Repeatable,
    has_envelope: bool,
}

impl Call {
    /// A call that answers with registrar's envelope.
    pub(crate) fn new(function: &'static str, parameters: &impl Serialize, repeatable: Repeatable) -> Self {
        let body = serde_json::to_vec(parameters).expect("parameters are strings and JSON values");
        Self { function, body, repeatable, has_envelope: true }
    }

    /// A call that answers with what the function returns, as it is.
    pub(crate) fn of_rows(function: &'static str, parameters: &impl Serialize, repeatable: Repeatable) -> Self {
        Self { has_envelope: false, ..Self::new(function, parameters, repeatable) }
    }

    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    #[cfg(test)]
    pub(crate) fn function(&self) -> &'static str {
        self.function
    }

    #[cfg(test)]
    pub(crate) fn repeatable(&self) -> Repeatable {
        self.repeatable
    }
}

/// Why an attempt failed, and how long it took.
struct FailedAttempt {
    error: Error,
    elapsed: Duration,
}

impl Client {
    /// Sets up a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) fn new(
        http: reqwest::Client,
        address: &Url,
        attempt_timeout: Duration,
        timeout: Duration,
        retry: Retry,
    ) -> Self {
        // An empty path reads as `/`.
        let base = address.as_str().trim_end_matches('/').to_owned();
        Self { http, base, attempt_timeout, timeout, retry }
    }

    /// The address under which `/rpc/…` is called.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Makes the call, and repeats it as far as [`Retry`] allows. All attempts bear one request id.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let request_id = Uuid::new_v4();
        let deadline = Instant::now() + self.timeout;
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            self.attempt(&call, request_id, attempts, deadline)
        };
        attempt
            .retry(self.retry.backoff())
            .when(|failed| call.repeatable.after(&failed.error))
            .adjust(|failed, pause| {
                let pause = pause?.max(failed.error.retry_after().unwrap_or_default());
                // One that the deadline would cut short could only hide this error behind a timeout.
                (pause.saturating_add(failed.elapsed) < left_until(deadline)).then_some(pause)
            })
            .notify(|_, pause| debug!(function = call.function, %request_id, ?pause, "repeating"))
            .await
            .map_err(|failed| failed.error)
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        call: &Call,
        request_id: Uuid,
        attempt: usize,
        deadline: Instant,
    ) -> Result<T, FailedAttempt> {
        let start = Instant::now();
        let sent = self.send(call, request_id, self.attempt_timeout.min(left_until(deadline))).await;
        let (status, outcome) = match sent {
            Ok(answer) if call.has_envelope => (Some(answer.status()), answer.read()),
            Ok(answer) => (Some(answer.status()), answer.read_rows()),
            Err(error) => (None, Err(error)),
        };
        let (elapsed, code) = (start.elapsed(), outcome.as_ref().err().map(Error::code));
        debug!(function = call.function, %request_id, attempt, status, code, ?elapsed, "called");
        outcome.map_err(|error| FailedAttempt { error, elapsed })
    }

    async fn send(&self, call: &Call, request_id: Uuid, limit: Duration) -> Result<Answer> {
        let start = Instant::now();
        let failed = |error: reqwest::Error| {
            let (address, connected) = (self.base.clone(), !error.is_connect());
            if error.is_timeout() {
                Error::Timeout { address, connected, after: start.elapsed(), request_id }
            } else {
                Error::Transport { address, connected, request_id, source: Arc::new(error.without_url()) }
            }
        };
        let response = self
            .http
            .post(format!("{}/rpc/{}", self.base, call.function))
            .header("x-request-id", request_id.to_string())
            .timeout(limit)
            .body(call.body.clone())
            .send()
            .await
            .map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?;
        Ok(Answer::new(status, &headers, body.into(), request_id, Utc::now()))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodePurpose, NewUser, OtpProof, PasswordChange, Recipient, SignIn};
    use serde_json::{Value, json};

    #[test]
    fn a_call_can_be_made_in_a_task_of_its_own() {
        fn can_be_spawned<T: Send + 'static>(_: T) {}
        let client = Client::builder().postgrest_url("http://localhost").service_role_key("key").build().unwrap();
        can_be_spawned(async move {
            let _ = client.register(NewUser::new("user@example.com")).await;
            let _ = client.verify_email("token").await;
            let _ = client.resend_verification("user@example.com").await;
            let _ = client.sign_in(SignIn::with_email("user@example.com", "password")).await;
            let _ = client.send_otp(&Recipient::phone("+12024561111"), CodePurpose::SignIn).await;
            let _ = client.verify_otp(OtpProof::new(Recipient::email("user@example.com"), "123456")).await;
            let _ = client.change_password(PasswordChange::within("token", "password")).await;
            let _ = client.doctor().await;
            let _ = client.build_info().await;
            let (profiles, user) = (client.profiles(), Uuid::nil());
            let _ = profiles.update::<Value>(user, &json!({})).await;
            let _ = profiles.import(&[json!({})]).await;
            let _ = profiles.export::<Value>(1).next().await;
        });
    }
}
