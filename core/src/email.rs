//! E-mail addresses as registrar stores them.

use std::fmt;

use email_address::{EmailAddress, Options};

use crate::FieldError;

/// The longest address that fits an SMTP path (RFC 5321 §4.5.3.1.3, erratum 1690), in bytes.
const MAX_BYTES: usize = 254;

/// A checked e-mail address: trimmed, lower-cased, `local@domain` with a dot in the domain.
///
/// The syntax is RFC 5321's, less what no mailbox provider hands out and what mail tools trip over: quoted local parts,
/// address literals, comments, and anything outside ASCII. (Lower-casing Unicode differs between a database and an app;
/// a domain has an ASCII form, RFC 5891.)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address as a person typed it.
    ///
    /// # Errors
    /// `validation_failed` on `email`, saying what is wrong; the address itself is never repeated.
    pub fn parse(typed: &str) -> Result<Self, FieldError> {
        let address = typed.trim();
        if address.is_empty() {
            return Err(FieldError::invalid("email", "An email address is required."));
        }
        if !address.is_ascii() {
            return Err(FieldError::invalid("email", "The email address has characters outside ASCII.")
                .with_hint("Write an international domain in its ASCII form (xn--…)."));
        }
        if address.len() > MAX_BYTES {
            return Err(FieldError::invalid("email", "The email address is longer than 254 characters."));
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let parsed = EmailAddress::parse_with_options(address, options).map_err(|_| {
            FieldError::invalid("email", "This is not a valid email address.").with_hint("Like name@example.com.")
        })?;
        if parsed.local_part().contains('"') {
            return Err(FieldError::invalid("email", "Quoted local parts are not accepted in an email address."));
        }
        Ok(Self(address.to_ascii_lowercase()))
    }

    /// The address, lower-cased.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        assert_eq!(Email::parse("  O'Brien+List@Example.COM\n").unwrap().as_str(), "o'brien+list@example.com");
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let long = format!("{}@example.com", "a".repeat(300));
        for address in [
            "",
            " ",
            "plain",
            "@example.com",
            "a@",
            "a@localhost",
            "a@b@example.com",
            "a b@example.com",
            "a@exa mple.com",
            "a@[127.0.0.1]",
            "Name <a@example.com>",
            "<a@example.com>",
            "\"quoted; local\"@example.com",
            "ü@example.com",
            "a@exämple.com",
            "a'; DROP TABLE auth.users;--@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@-example.com",
            "a@example..com",
            "a\u{0}@example.com",
            "a\r\nbcc:b@example.com",
            &long,
        ] {
            assert!(Email::parse(address).is_err(), "{address:?} was accepted");
        }
    }

    #[test]
    fn the_length_limit_is_that_of_smtp() {
        let domain = format!("{}.{}.{}.com", "d".repeat(63), "e".repeat(63), "f".repeat(57));
        let fits = format!("{}@{domain}", "l".repeat(MAX_BYTES - domain.len() - 1));
        assert_eq!(fits.len(), MAX_BYTES);
        assert!(Email::parse(&fits).is_ok());
        assert!(Email::parse(&format!("l{fits}")).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(typed in ".{0,80}|[a-zA-Z0-9.+'_-]{1,20}@[a-zA-Z0-9-]{1,10}\\.[a-z]{2,5}") {
            if let Ok(email) = Email::parse(&typed) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
