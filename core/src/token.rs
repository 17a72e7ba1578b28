//! Tokens that a user is sent: 64 characters that carry their user and 32 random bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::SecretHash;

/// Length of a token, in characters of the URL-safe base64 alphabet (RFC 4648 §5).
const CHARS: usize = 64;
/// What they encode: the user's id, then 256 random bits.
const BYTES: usize = 48;

/// A token as its user holds it. It names its user, so that it is found by that user's key; Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct Token {
    user_id: Uuid,
    text: SecretString,
}

impl Token {
    /// A new token for a user.
    ///
    /// # Panics
    /// Where the operating system has no randomness.
    #[must_use]
    pub fn generate(user_id: Uuid) -> Self {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(user_id.as_bytes());
        getrandom::fill(&mut bytes[16..]).expect("the operating system gives randomness");
        Self { user_id, text: URL_SAFE_NO_PAD.encode(bytes).into() }
    }

    /// Reads a token; `None` where it is none, of whatever length.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARS {
            return None;
        }
        let mut bytes = [0; BYTES];
        URL_SAFE_NO_PAD.decode_slice_unchecked(text, &mut bytes).ok().filter(|&length| length == BYTES)?;
        let user_id = Uuid::from_slice(&bytes[..16]).ok()?;
        Some(Self { user_id, text: text.to_owned().into() })
    }

    /// Whose token it is, or claims to be.
    #[must_use]
    pub fn user_id(&self) -> Uuid {
        self.user_id
    }

    /// The 64 characters, to be sent to the user and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What rests in the database. A plain hash suffices: 256 random bits can't be guessed from it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_carries_its_user_in_64_url_safe_characters() {
        let user_id = Uuid::new_v4();
        let token = Token::generate(user_id);
        assert_eq!(token.expose().len(), 64);
        assert!(token.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        let read = Token::parse(token.expose()).unwrap();
        assert_eq!(read.user_id(), user_id);
        assert_eq!(read.hash(), token.hash());
    }

    #[test]
    fn two_tokens_of_one_user_differ() {
        let user_id = Uuid::new_v4();
        assert_ne!(Token::generate(user_id).hash(), Token::generate(user_id).hash());
    }

    #[test]
    fn other_lengths_and_alphabets_are_no_tokens() {
        for text in [
            String::new(),
            "a".repeat(63),
            "a".repeat(65),
            "+".repeat(64),
            "=".repeat(64),
            "é".repeat(32),
            " ".repeat(64),
        ] {
            assert!(Token::parse(&text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token::generate(Uuid::nil());
        assert!(!format!("{token:?}").contains(&token.expose()[30..]));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{60,70}") {
            let _ = Token::parse(&text);
        }
    }
}
