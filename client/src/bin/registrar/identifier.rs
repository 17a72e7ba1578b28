//! By what a command names a user.

use clap::Args;
use registrar_client::{Recipient, SecretString, SignIn};

/// An e-mail address or a phone number.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Identifier {
    /// The e-mail address
    email: Option<String>,
    /// In place of it, the phone number, like +12024561111
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
}

impl Identifier {
    pub(crate) fn recipient(&self) -> Recipient {
        match (&self.email, &self.phone) {
            (_, Some(phone)) => Recipient::phone(phone),
            (email, None) => Recipient::email(email.clone().unwrap_or_default()),
        }
    }

    pub(crate) fn sign_in(&self, password: SecretString) -> SignIn {
        match (&self.email, &self.phone) {
            (_, Some(phone)) => SignIn::with_phone(phone, password),
            (email, None) => SignIn::with_email(email.clone().unwrap_or_default(), password),
        }
    }
}
