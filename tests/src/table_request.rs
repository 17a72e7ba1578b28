//! A request to a table as PostgREST serves it: what an app sends that reads and writes profiles without registrar's calls.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::rpc::Answer;
use crate::stack::Stack;

/// One request, not sent yet.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct TableRequest {
    method: Method,
    url: String,
    key: Option<String>,
    body: Option<Value>,
}

impl Stack {
    /// A request to a table of the schema `public`, e.g. `PATCH` of `user_profiles?user_id=eq.…`.
    pub fn table(&self, method: Method, query: &str) -> TableRequest {
        TableRequest { method, url: format!("{}/{query}", self.url()), key: None, body: None }
    }
}

impl TableRequest {
    /// Sends this key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sends these columns.
    pub fn json(mut self, columns: &Value) -> Self {
        self.body = Some(columns.clone());
        self
    }

    /// Sends the request; it asks for the rows that are read or written.
    ///
    /// # Panics
    /// Where there is no HTTP answer.
    #[track_caller]
    pub fn send(self) -> Answer {
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.url)
            .header("Content-Type", "application/json")
            .header("Prefer", "return=representation");
        if let Some(key) = self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let body = self.body.map(|columns| columns.to_string()).unwrap_or_default();
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60))).build();
        let answer = Agent::from(config).run(request.body(body).expect("a query of a suite is a URL"));
        let (parts, mut body) = answer.unwrap_or_else(|error| panic!("{}: {error}", self.url)).into_parts();
        let body = body.read_to_string().unwrap_or_else(|error| panic!("{}: {error}", self.url));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}
