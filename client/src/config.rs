//! How a client is set up: where the server is, with which key, and how patiently.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{Client, Error, Result, Retry, tls};

/// Which of PostgREST's schemas is called.
const SCHEMA: HeaderValue = HeaderValue::from_static("registrar");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OWN_USER_AGENT: &str = concat!("registrar-client/", env!("CARGO_PKG_VERSION"));

/// Below it no network answers; above it a caller is better served by a queue.
const TIME_LIMITS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// Sets up a [`Client`]; made by [`Client::builder`]. The `Debug` output shows no key.
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    url: Option<String>,
    postgrest_url: Option<String>,
    key: Option<SecretString>,
    user_agent: Option<String>,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    timeout: Duration,
    retry: Retry,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            url: None,
            postgrest_url: None,
            key: None,
            user_agent: None,
            connect_timeout: Duration::from_secs(5),
            // Above the 10 s that PostgREST waits for a free connection, so that its own explanation comes through.
            attempt_timeout: Duration::from_secs(12),
            timeout: Duration::from_secs(30),
            retry: Retry::default(),
        }
    }

    /// The address of a Supabase project, like `https://project.supabase.co`; `/rest/v1` is added where it is not there.
    #[must_use]
    pub fn url(mut self, project: impl Into<String>) -> Self {
        self.url = Some(project.into());
        self
    }

    /// The address of a bare PostgREST, like `http://localhost:3000`; nothing is added. Excludes [`url`](Self::url).
    #[must_use]
    pub fn postgrest_url(mut self, address: impl Into<String>) -> Self {
        self.postgrest_url = Some(address.into());
        self
    }

    /// The key of `service_role`: it is sent as `apikey` and as bearer token, and shown nowhere. White space around it is
    /// dropped.
    #[must_use]
    pub fn service_role_key(mut self, key: impl Into<SecretString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Names the calling program, like `my-app/1.2`, before the client's own name in `User-Agent`; the audit log keeps it.
    #[must_use]
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// The longest wait for a connection, TLS included; 5 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The longest wait for one attempt, from connecting to the last byte of the answer; 12 s unless set.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// The longest wait for a call, with all its attempts and the pauses between them; 30 s unless set. The hashing of a
    /// password (about 30 ms) comes before it.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How often what is safe to repeat is repeated; up to 3 times unless set.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The client. Nothing is sent yet, so that a wrong address or key shows only in the first call.
    ///
    /// # Errors
    /// [`Error::Config`] where the address or the key is missing or malformed, both kinds of address are set, a time limit
    /// is not between 1 ms and 1 h, or the system has no CA certificates.
    pub fn build(self) -> Result<Client> {
        let address = self.address()?;
        let limits = [
            ("connect_timeout", self.connect_timeout),
            ("attempt_timeout", self.attempt_timeout),
            ("timeout", self.timeout),
        ];
        for (setting, limit) in limits {
            if !TIME_LIMITS.contains(&limit) {
                return Err(config(setting, "A time limit is between 1 ms and 1 h."));
            }
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(&address)?)
            .default_headers(self.headers()?)
            .connect_timeout(self.connect_timeout)
            // Following one would repeat the POST, with the key and the user's data, wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| config("url", format!("The HTTP client cannot be set up: {error}")))?;
        Ok(Client::new(http, &address, self.attempt_timeout, self.timeout, self.retry))
    }

    fn address(&self) -> Result<Url> {
        match (&self.url, &self.postgrest_url) {
            (Some(project), None) => {
                let mut address = parse_address("url", project)?;
                if !address.path().ends_with("/rest/v1") {
                    let path = format!("{}/rest/v1", address.path().trim_end_matches('/'));
                    address.set_path(&path);
                }
                Ok(address)
            }
            (None, Some(address)) => parse_address("postgrest_url", address),
            (None, None) => {
                Err(config("url", "No address is set: a Supabase project (url) or a PostgREST (postgrest_url)."))
            }
            (Some(_), Some(_)) => Err(config("url", "Both url and postgrest_url are set; only one can be called.")),
        }
    }

    fn headers(&self) -> Result<HeaderMap> {
        let key = self.key.as_ref().map(|key| key.expose_secret().trim()).unwrap_or_default();
        if key.is_empty() {
            return Err(config("service_role_key", "No key is set."));
        }
        let secret_header = |value: String| {
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| config("service_role_key", "The key has characters that no key has."))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let user_agent = match &self.user_agent {
            Some(product) => format!("{product} {OWN_USER_AGENT}"),
            None => OWN_USER_AGENT.to_owned(),
        };
        let user_agent = HeaderValue::try_from(user_agent)
            .map_err(|_| config("user_agent", "The name of the program is not plain ASCII."))?;
        let mut headers = HeaderMap::new();
        headers.insert("apikey", secret_header(key.to_owned())?);
        headers.insert(AUTHORIZATION, secret_header(format!("Bearer {key}"))?);
        headers.insert("content-profile", SCHEMA);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, user_agent);
        Ok(headers)
    }
}

/// An address without its trailing slashes.
fn parse_address(setting: &'static str, text: &str) -> Result<Url> {
    let malformed = |message: &str| Err(config(setting, message));
    let mut address = match Url::parse(text.trim()) {
        Ok(address) => address,
        Err(_) => return malformed("The address is not a URL like https://project.supabase.co."),
    };
    if !matches!(address.scheme(), "http" | "https") {
        return malformed("The address does not begin with http:// or https://.");
    }
    if !address.username().is_empty() || address.password().is_some() {
        return malformed("The address holds a user name or a password; the key is set apart from it.");
    }
    if address.query().is_some() || address.fragment().is_some() {
        return malformed("The address has a query or a fragment.");
    }
    let path = address.path().trim_end_matches('/').to_owned();
    address.set_path(&path);
    Ok(address)
}

fn config(setting: &'static str, message: impl Into<String>) -> Error {
    Error::Config { setting, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "header.payload.signature";

    fn base(builder: ClientBuilder) -> String {
        builder.service_role_key(KEY).build().unwrap().base().to_owned()
    }

    fn refused(builder: ClientBuilder) -> (&'static str, String) {
        match builder.build().unwrap_err() {
            Error::Config { setting, message } => (setting, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_project_gets_the_path_of_its_rest_api_once() {
        for (given, called) in [
            ("https://project.supabase.co", "https://project.supabase.co/rest/v1"),
            ("https://project.supabase.co/", "https://project.supabase.co/rest/v1"),
            (" https://project.supabase.co/rest/v1/\n", "https://project.supabase.co/rest/v1"),
            ("http://localhost:8000/supabase", "http://localhost:8000/supabase/rest/v1"),
        ] {
            assert_eq!(base(ClientBuilder::new().url(given)), called, "{given:?}");
        }
    }

    #[test]
    fn to_a_postgrest_nothing_is_added() {
        for (given, called) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://[::1]:3000/api//", "http://[::1]:3000/api"),
        ] {
            assert_eq!(base(ClientBuilder::new().postgrest_url(given)), called, "{given:?}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused_and_named() {
        for address in
            ["", "localhost:3000", "ftp://localhost", "http://user:word@localhost", "http://localhost/?a=b", "http://"]
        {
            let (setting, message) = refused(ClientBuilder::new().postgrest_url(address).service_role_key(KEY));
            assert_eq!(setting, "postgrest_url", "{address:?}");
            assert!(!message.contains("word@"), "{message}");
        }
        let both = ClientBuilder::new().url("http://localhost").postgrest_url("http://localhost").service_role_key(KEY);
        assert!(refused(both).1.contains("Both"));
        assert_eq!(refused(ClientBuilder::new().service_role_key(KEY)).0, "url");
    }

    #[test]
    fn a_key_is_required_trimmed_and_never_repeated() {
        let builder = ClientBuilder::new().url("http://localhost");
        assert_eq!(refused(builder.clone()).0, "service_role_key");
        assert_eq!(refused(builder.clone().service_role_key(" \n")).0, "service_role_key");
        let (setting, message) = refused(builder.clone().service_role_key("se\ncret"));
        assert_eq!(setting, "service_role_key");
        assert!(!message.contains("cret"));
        let headers = builder.service_role_key(format!(" {KEY}\n")).headers().unwrap();
        assert_eq!(headers["apikey"], KEY);
        assert_eq!(headers["authorization"], format!("Bearer {KEY}"));
    }

    #[test]
    fn every_request_names_the_schema_and_the_program() {
        let builder = ClientBuilder::new().service_role_key(KEY).user_agent("my-app/1.2");
        let headers = builder.headers().unwrap();
        assert_eq!(headers["content-profile"], "registrar");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["user-agent"], format!("my-app/1.2 {OWN_USER_AGENT}"));
    }

    #[test]
    fn a_time_limit_has_limits() {
        let builder = || ClientBuilder::new().url("http://localhost").service_role_key(KEY);
        assert_eq!(refused(builder().timeout(Duration::ZERO)).0, "timeout");
        assert_eq!(refused(builder().attempt_timeout(Duration::MAX)).0, "attempt_timeout");
        assert_eq!(refused(builder().connect_timeout(Duration::ZERO)).0, "connect_timeout");
    }

    #[test]
    fn debug_shows_no_key() {
        let builder = ClientBuilder::new().url("http://localhost").service_role_key(KEY);
        let shown = format!("{builder:?} {:?} {:?}", builder.headers().unwrap(), builder.clone().build().unwrap());
        assert!(!shown.contains("payload"), "{shown}");
    }

    #[test]
    fn tls_needs_no_provider_of_the_process() {
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        assert_eq!(base(ClientBuilder::new().url("https://localhost")), "https://localhost/rest/v1");
    }
}
