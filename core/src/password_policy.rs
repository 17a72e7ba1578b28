//! What a new password must be: long enough, and none that a guesser tries first.

use crate::{ErrorCode, FieldError, Password};

/// Fewest characters of a password (NIST SP 800-63B-4 §3.1.1.2 asks at least 8 beside other factors).
const MIN_CHARS: usize = 8;

/// A password is refused that is found within so many guesses: the ten thousand most used ones, and what is no harder to guess, such as one
/// character eight times, a row of keys, a first name, or the user's own address (NIST SP 800-63B-4 §3.1.1.2 asks for such a list).
const GUESSES: u64 = 10_000;

/// Every reason to refuse a new password, which characters stand in it being the user's business (NIST SP 800-63B-4 §3.1.1.2). `known` are the
/// user's address, number and name, which others know as well.
pub(crate) fn reasons(password: &str, known: &[&str]) -> Vec<FieldError> {
    if password.len() > Password::MAX_BYTES {
        return vec![FieldError::invalid("password", "The password is longer than 1024 bytes.")];
    }
    let weak = |message: &'static str, hint: &'static str| {
        FieldError::new("password", ErrorCode::WeakPassword, message).with_hint(hint)
    };
    let short = (password.chars().count() < MIN_CHARS).then(|| {
        let hint = "A few unrelated words make a password that is long and easy to remember.";
        weak("The password has fewer than 8 characters.", hint)
    });
    // The estimate is one higher than the place in the list.
    let guessed = (zxcvbn::zxcvbn(password, known).guesses() <= GUESSES + 1).then(|| {
        let hint = "It is among the most used passwords, or follows a simple pattern, or is what others know of you.";
        weak("The password is one of the first that are guessed.", hint)
    });
    [short, guessed].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::reasons;
    use crate::ErrorCode;

    fn messages(password: &str) -> Vec<String> {
        reasons(password, &["ada@example.com"]).into_iter().map(|error| error.message.into_owned()).collect()
    }

    #[test]
    fn all_reasons_are_told_at_once() {
        assert_eq!(messages("1234567").len(), 2);
        assert_eq!(messages("x7 Fq").len(), 1, "short, and not in the list");
        assert_eq!(messages("password").len(), 1, "long enough, and in the list");
        assert_eq!(
            messages(""),
            ["The password has fewer than 8 characters.", "The password is one of the first that are guessed."]
        );
        assert!(
            reasons("1234567", &[]).iter().all(|error| error.code == ErrorCode::WeakPassword && error.hint.is_some())
        );
    }

    #[test]
    fn the_ten_thousand_most_used_passwords_are_refused_and_what_is_as_easy() {
        // The last five are places 9,980 to 10,000 of the list.
        for password in [
            "password",
            "12345678",
            "qwertyuiop",
            "Password1",
            "p@ssw0rd",
            "aaaaaaaaaaaa",
            "abcdefghij",
            "jennifer",
            "ada@example.com",
            "lizaveta",
            "roberto1",
            "karamelka",
            "sobriety",
            "123456789qwerty",
        ] {
            assert!(!messages(password).is_empty(), "{password}");
        }
        for password in
            ["correct horse", "correct horse battery staple", "Tr0ub4dor&3", "éééèèèààà", "ada@example.com's cat Mia"]
        {
            assert!(messages(password).is_empty(), "{password}: {:?}", messages(password));
        }
    }

    #[test]
    fn characters_are_counted_to_be_enough_and_bytes_to_be_too_many() {
        assert!(messages("éàüßñç÷µ").is_empty());
        let refused = reasons(&"correct horse ".repeat(74), &[]);
        assert_eq!((refused.len(), refused[0].code), (1, ErrorCode::ValidationFailed));
    }
}
