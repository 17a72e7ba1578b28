//! Where a call came from, as far as it can be trusted.

use std::net::IpAddr;

use serde::Deserialize;

use crate::{pg, settings};

/// Longest user agent that is kept, in characters: real ones have about 100, the rest is abuse.
const MAX_USER_AGENT: usize = 256;

/// The origin of an HTTP request; empty for a call from SQL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(rename = "x-forwarded-for")]
    forwarded_for: Option<String>,
    #[serde(rename = "user-agent")]
    user_agent: Option<String>,
}

/// The origin of the current request.
pub(crate) fn current() -> Origin {
    pg::request_headers().map(|json| parse(&json, settings::trusted_proxies())).unwrap_or_default()
}

fn parse(json: &str, trusted_proxies: usize) -> Origin {
    let headers: Headers = serde_json::from_str(json).unwrap_or_default();
    let address = trusted_proxies
        .checked_sub(1)
        .and_then(|place| headers.forwarded_for.as_deref()?.rsplit(',').nth(place))
        .and_then(|entry| entry.trim().parse().ok());
    let user_agent =
        headers.user_agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect());
    Origin { address, user_agent }
}
