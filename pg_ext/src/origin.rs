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

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::{MAX_USER_AGENT, parse};

    fn address(forwarded_for: &str, trusted_proxies: usize) -> Option<String> {
        let headers = serde_json::json!({"x-forwarded-for": forwarded_for, "host": "localhost"});
        parse(&headers.to_string(), trusted_proxies).address.map(|address| address.to_string())
    }

    #[pg_test]
    fn an_address_is_believed_as_far_as_proxies_are_trusted() {
        assert_eq!(address("6.6.6.6, 192.0.2.1", 1).as_deref(), Some("192.0.2.1"));
        assert_eq!(address("192.0.2.1,10.0.0.1", 2).as_deref(), Some("192.0.2.1"));
        assert_eq!(address("192.0.2.1", 2), None);
        assert_eq!(address("192.0.2.1", 0), None);
        assert_eq!(address(" 2001:db8::1 ", 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(address("unknown", 1), None);
    }

    #[pg_test]
    fn a_user_agent_is_cut_and_cleaned() {
        let headers = serde_json::json!({"user-agent": format!("curl\n{}", "é".repeat(300))});
        let agent = parse(&headers.to_string(), 1).user_agent.unwrap();
        assert!(agent.starts_with("curlé"));
        assert_eq!(agent.chars().count(), MAX_USER_AGENT);
    }

    #[pg_test]
    fn headers_that_are_no_json_tell_nothing() {
        assert_eq!(parse("not json", 1), super::Origin::default());
    }
}
