//! `registrar resend`

use clap::Args;
use registrar_client::Client;

use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// Make a new token for an address that waits for verification
///
/// The older tokens are used up. The token is a secret: send it to the user, store it nowhere.
#[derive(Args)]
pub(crate) struct Resend {
    /// The e-mail address
    email: String,
}

impl Resend {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let resent = client.resend_verification(&self.email).await?;
        let rows = Rows::default().user(&resent.user).verification(&resent.verification);
        output::print(format, "A new token is made. Send it to the user; the older ones no longer work.", resent, rows)
    }
}
