//! By what a user is named who is not known yet.

use pgrx::spi::SpiClient;
use registrar_core::{Channel, Email, FieldError, Phone, SecretHash};

use crate::settings;
use crate::store::credentials::{self, Credentials};
use crate::store::secrets;

/// An e-mail address or a phone number.
pub(super) enum Identifier {
    Email(Email),
    Phone(Phone),
}

impl Identifier {
    /// Reads the one that was sent. A number may be written as people write it; a national one is read with
    /// `registrar.default_phone_region`.
    ///
    /// # Errors
    /// `validation_failed` on the field, and where none or several were sent.
    pub(super) fn parse(
        email: Option<String>,
        phone: Option<String>,
        mobile: Option<String>,
    ) -> Result<Self, FieldError> {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        match (given(email), given(phone), given(mobile)) {
            (Some(email), None, None) => Email::parse(&email).map(Self::Email),
            (None, Some(phone), None) => Self::parse_phone("phone", &phone),
            (None, None, Some(mobile)) => Self::parse_phone("mobile", &mobile),
            (None, None, None) => Err(FieldError::invalid("email", "An e-mail address or a phone number is required.")),
            _ => Err(FieldError::invalid("email", "More than one address or number was sent.").with_hint("Send one.")),
        }
    }

    fn parse_phone(field: &'static str, typed: &str) -> Result<Self, FieldError> {
        let parsed = Phone::parse(typed, settings::rules().default_phone_region);
        let missing = || FieldError::invalid("phone", "A phone number is required.");
        let phone = parsed.and_then(|phone| phone.ok_or_else(missing));
        phone.map(Self::Phone).map_err(|error| FieldError { field: Some(field.into()), ..error })
    }

    /// The name of the field that it came in, as far as an error can tell.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    /// Under which its attempts are counted, whether or not anybody has it.
    pub(super) fn hash(&self) -> SecretHash {
        match self {
            Self::Email(email) => Self::hash_of_email(email.as_str()),
            Self::Phone(phone) => secrets::keyed_hash(&[b"phone", phone.digits().as_bytes()]),
        }
    }

    /// The same of an address that was read before.
    pub(super) fn hash_of_email(email: &str) -> SecretHash {
        secrets::keyed_hash(&[b"email", email.as_bytes()])
    }

    /// By what a message reaches it.
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Phone,
        }
    }

    /// As a message is addressed to it.
    pub(super) fn recipient(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone.e164(),
        }
    }

    /// The user who has it, and what a sign-in asks of that one.
    pub(super) fn credentials(&self, client: &mut SpiClient<'_>) -> Option<Credentials> {
        match self {
            Self::Email(email) => credentials::of_email(client, email.as_str()),
            Self::Phone(phone) => credentials::of_phone(client, phone.digits()),
        }
    }
}
