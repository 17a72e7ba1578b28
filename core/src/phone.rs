//! Phone numbers as registrar stores them.

use std::str::FromStr;

use phonenumber::{Mode, country};

use crate::FieldError;

/// The country whose national numbers are understood (ISO 3166-1 alpha-2, e.g. `US`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(country::Id);

impl Region {
    /// Reads a two-letter country code; `None` where there is no such numbering plan.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        country::Id::from_str(&code.to_ascii_uppercase()).ok().map(Self)
    }
}

/// A phone number in E.164 (ITU-T), valid in its country's numbering plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Reads a number as a person typed it: `+1 202-456-1111`, or `(202) 456-1111` where a region is given. Blank is none.
    ///
    /// # Errors
    /// `validation_failed` on `phone`; a national number without a region says which setting would read it.
    pub fn parse(typed: &str, region: Option<Region>) -> Result<Option<Self>, FieldError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(None);
        }
        let refused = || {
            let error = FieldError::invalid("phone", "This is not a valid phone number.");
            if region.is_none() && !typed.starts_with('+') {
                error.with_hint(
                    "Write it with its country code, like +12024561111, or set registrar.default_phone_region.",
                )
            } else {
                error.with_hint("Like +12024561111.")
            }
        };
        // Longer than any number with separators and extension; the parser's cost grows with its input.
        if typed.len() > 40 || (region.is_none() && !typed.starts_with('+')) {
            return Err(refused());
        }
        let number = phonenumber::parse(region.map(|region| region.0), typed).map_err(|_| refused())?;
        if !phonenumber::is_valid(&number) || number.extension().is_some() {
            return Err(refused());
        }
        Ok(Some(Self(number.format().mode(Mode::E164).to_string())))
    }

    /// The number with its `+`, as E.164 writes it.
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// The number without the `+`, as `auth.users.phone` holds it.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_international_number_needs_no_region() {
        let phone = Phone::parse(" +1 (202) 456-1111 ", None).unwrap().unwrap();
        assert_eq!((phone.e164(), phone.digits()), ("+12024561111", "12024561111"));
    }

    #[test]
    fn a_national_number_needs_one() {
        assert!(Phone::parse("2024561111", None).unwrap_err().hint.unwrap().contains("default_phone_region"));
        let phone = Phone::parse("2024561111", Region::parse("us")).unwrap().unwrap();
        assert_eq!(phone.e164(), "+12024561111");
    }

    #[test]
    fn nonsense_is_refused_and_blank_is_none() {
        assert_eq!(Phone::parse(" ", None).unwrap(), None);
        for typed in ["+", "+1", "abc", "+1202456111122334455", "+999123456789", "+12024561111;ext=5", &"1".repeat(300)]
        {
            assert!(Phone::parse(typed, None).is_err(), "{typed:?}");
        }
        assert_eq!(Region::parse("xx"), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(typed in ".{0,45}|\\+[0-9 ()-]{5,18}") {
            if let Ok(Some(phone)) = Phone::parse(&typed, None) {
                prop_assert_eq!(Phone::parse(phone.e164(), None).unwrap().unwrap(), phone);
            }
        }
    }
}
