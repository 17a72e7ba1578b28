//! One-time codes: six digits that a user is sent and types in.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Digits of a code (NIST SP 800-63B-4 §3.1.3.2 asks at least six decimal digits of an out-of-band secret).
const DIGITS: usize = 6;
/// How many codes there are.
const CODES: u32 = 1_000_000;

/// A code as its user holds it; Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// A new code, each of the million as likely as any other.
    ///
    /// # Panics
    /// Where the operating system has no randomness.
    #[must_use]
    pub fn generate() -> Self {
        // The remainder of a number below the greatest multiple of a million prefers none of them; one in 15,000 is drawn again.
        let uniform = std::iter::repeat_with(|| getrandom::u32().expect("the operating system gives randomness"))
            .find(|&drawn| drawn < u32::MAX / CODES * CODES)
            .unwrap_or_default();
        Self(format!("{:0DIGITS$}", uniform % CODES).into())
    }

    /// Reads what a user typed, with spaces or a hyphen between the digits; `None` where it is no code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let digits: String =
            typed.chars().filter(|char| !char.is_whitespace() && *char != '-').take(DIGITS + 1).collect();
        let is_code = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_code.then(|| Self(digits.into()))
    }

    /// The six digits, to be sent to the user and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// Somebody who is not known yet signs in by an address or number.
    SignIn,
    /// A user who is known confirms an address or number of theirs.
    Confirmation,
}

impl CodePurpose {
    /// The name, as in a call.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Confirmation => "confirmation",
        }
    }

    /// Reads a name; `None` where there is no such purpose.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::SignIn, Self::Confirmation].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// By what a code is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// To an e-mail address.
    Email,
    /// To a phone number.
    Phone,
}

/// The answer to `send_otp`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtpSent {
    /// By what the code is to be sent.
    pub channel: Channel,
    /// Where to: the address in lower case, or the number in E.164.
    pub recipient: String,
    /// What the code is good for.
    pub purpose: CodePurpose,
    /// The six digits, for a back end to send; `null` for everybody else.
    pub code: Option<String>,
    /// When it ceases to be valid, UTC.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for OtpSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = (self.channel, &self.recipient, self.purpose, self.expires_at);
        f.debug_tuple("OtpSent").field(&shown).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_six_digits_and_every_digit_comes_in_every_place() {
        let mut seen = [[false; 10]; DIGITS];
        for _ in 0..1000 {
            let code = OneTimeCode::generate();
            assert_eq!(code.expose().len(), DIGITS);
            for (place, digit) in code.expose().bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] = true;
            }
        }
        assert_eq!(seen, [[true; 10]; DIGITS]);
    }

    #[test]
    fn what_is_typed_with_spaces_or_a_hyphen_is_read() {
        for typed in ["012345", " 012 345 ", "012-345", "0 1 2 3 4 5\n"] {
            assert_eq!(OneTimeCode::parse(typed).unwrap().expose(), "012345", "{typed:?}");
        }
        for typed in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "+12345", &"1".repeat(1000)] {
            assert!(OneTimeCode::parse(typed).is_none(), "{typed:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let code = OneTimeCode::parse("918273").unwrap();
        let sent = OtpSent {
            channel: Channel::Phone,
            recipient: "+12024561111".into(),
            purpose: CodePurpose::SignIn,
            code: Some("918273".into()),
            expires_at: DateTime::UNIX_EPOCH,
        };
        assert!(!format!("{code:?} {sent:?}").contains("918273"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(typed in ".{0,12}") {
            let _ = OneTimeCode::parse(&typed);
        }
    }
}
