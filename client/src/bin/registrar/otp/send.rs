//! `registrar otp send`

use clap::Args;
use registrar_client::Client;

use super::Purpose;
use crate::failure::Failure;
use crate::identifier::Identifier;
use crate::output::{self, Format, Rows};

/// Make a one-time code for an address or number, and print it
///
/// The code before it no longer works. It is a secret: send it to the user, store it nowhere.
#[derive(Args)]
pub(crate) struct Send {
    #[command(flatten)]
    identifier: Identifier,
    /// What the code is good for
    #[arg(long, value_enum, default_value_t = Purpose::SignIn)]
    purpose: Purpose,
}

impl Send {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let sent = client.send_otp(&self.identifier.recipient(), self.purpose.into()).await?;
        let rows = Rows::default()
            .with("recipient", &sent.recipient)
            .with("code", sent.code.as_deref().unwrap_or_default())
            .with("code expires at", sent.expires_at.to_rfc3339());
        output::print(format, "A code is made. Send it to the user; the one before no longer works.", sent, rows)
    }
}
