//! A plain HTTP caller: what an app without any client library would send, and what no client would.

use std::time::Duration;

use anyhow::{Context, Result};
use registrar_core::Envelope;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// Connections to gateways, kept open between requests.
#[derive(Debug, Clone)]
pub struct Http(Agent);

impl Default for Http {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .build();
        Self(config.into())
    }
}

impl Http {
    /// Reads `url` with a key.
    pub fn get(&self, url: &str, key: &str) -> Result<Answer> {
        self.send(Request::get(url).header("Authorization", format!("Bearer {key}")).body(Vec::new())?)
    }

    fn send(&self, request: Request<Vec<u8>>) -> Result<Answer> {
        let url = request.uri().to_string();
        let answer = self.0.run(request).with_context(|| format!("no answer from {url}"))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(64 << 20).read_to_string()?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// One call of a function, of the schema `registrar` unless said otherwise, not sent yet.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is sent"]
pub struct Rpc {
    http: Http,
    url: String,
    names_schema: bool,
    key: Option<String>,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Rpc {
    /// A call through the gateway at `gateway_url`, with no key and an empty object for parameters.
    pub fn new(http: &Http, gateway_url: &str, function: &str) -> Self {
        let url = format!("{gateway_url}/rpc/{function}");
        Self { http: http.clone(), url, names_schema: true, key: None, body: b"{}".to_vec(), headers: Vec::new() }
    }

    /// Sends no `Content-Profile`: the function is one of the first schema that the gateway serves.
    pub fn in_default_schema(mut self) -> Self {
        self.names_schema = false;
        self
    }

    /// Sends this key, whatever it is worth.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sends these parameters.
    pub fn json(self, parameters: &Value) -> Self {
        self.body(parameters.to_string())
    }

    /// Sends these bytes as if they were JSON.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the call. An error means that there was no HTTP answer at all.
    pub fn send(&self) -> Result<Answer> {
        let mut request = Request::post(&self.url).header("Content-Type", "application/json");
        if self.names_schema {
            request = request.header("Content-Profile", "registrar");
        }
        if let Some(key) = &self.key {
            request = request.header("apikey", key).header("Authorization", format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.http.send(request.body(self.body.clone())?)
    }
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON of some type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("status {} with a body that is not as expected ({error}): {}", self.status, self.body),
        }
    }

    /// The body as registrar's envelope.
    #[track_caller]
    pub fn envelope(&self) -> Envelope<Value> {
        self.json()
    }

    /// A header's text, where there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The envelope of an answer that must be a success with this status.
    #[track_caller]
    pub fn expect_success(&self, status: u16) -> Envelope<Value> {
        assert_eq!(self.status, status, "{}", self.body);
        let envelope = self.envelope();
        assert!(envelope.success && envelope.errors.is_empty() && envelope.data.is_some(), "{}", self.body);
        envelope
    }

    /// The envelope of an answer that must be a refusal with this status and, among its errors, this code.
    #[track_caller]
    pub fn expect_failure(&self, status: u16, code: &str) -> Envelope<Value> {
        assert_eq!(self.status, status, "{}", self.body);
        let envelope = self.envelope();
        assert!(!envelope.success && envelope.data.is_none(), "{}", self.body);
        assert!(envelope.errors.iter().any(|error| error.code.as_str() == code), "no {code} in {}", self.body);
        envelope
    }
}
