//! `registrar users get`

use clap::Args;
use registrar_client::{Client, Recipient};
use uuid::Uuid;

use super::rows;
use crate::failure::Failure;
use crate::output::{self, Format};

/// Print a user, found by id, e-mail address or phone number
#[derive(Args)]
pub(crate) struct Get {
    /// The user's id, or e-mail address, or a phone number that begins with +
    user: String,
}

impl Get {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let user = match Uuid::try_parse(&self.user) {
            Ok(id) => client.get_user(id).await?,
            Err(_) if self.user.contains('@') => client.find_user(&Recipient::email(self.user)).await?,
            Err(_) => client.find_user(&Recipient::phone(self.user)).await?,
        };
        let rows = rows(&user);
        output::print(format, "This is the user.", user, rows)
    }
}
