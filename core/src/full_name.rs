//! A person's name, as the person writes it.

use crate::FieldError;

/// Longest name, in characters: room for any real name, none for a document.
const MAX_CHARS: usize = 200;

/// A name: trimmed, not empty, one line. Any script, any order of parts (W3C, "Personal names around the world").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName(String);

impl FullName {
    /// Reads a name; blank is no name.
    ///
    /// # Errors
    /// `validation_failed` on `full_name` for more than 200 characters or control characters.
    pub fn parse(typed: &str) -> Result<Option<Self>, FieldError> {
        let name = typed.trim();
        if name.is_empty() {
            return Ok(None);
        }
        if name.chars().count() > MAX_CHARS {
            return Err(FieldError::invalid("full_name", "The name is longer than 200 characters."));
        }
        if name.chars().any(char::is_control) {
            return Err(FieldError::invalid("full_name", "The name has control characters."));
        }
        Ok(Some(Self(name.to_owned())))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_kept_as_written() {
        for name in ["Full Name", "Ó Súilleabháin", "山田太郎", "Robert'); DROP TABLE students;--"] {
            assert_eq!(FullName::parse(&format!(" {name} ")).unwrap().unwrap().as_str(), name);
        }
    }

    #[test]
    fn blank_is_none_and_excess_is_refused() {
        assert_eq!(FullName::parse("  ").unwrap(), None);
        assert!(FullName::parse(&"é".repeat(200)).is_ok());
        assert!(FullName::parse(&"é".repeat(201)).is_err());
        assert!(FullName::parse("a\nb").is_err());
    }
}
