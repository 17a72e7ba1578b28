//! `registrar verify`

use clap::Args;
use registrar_client::{Client, SecretString};

use crate::failure::Failure;
use crate::output::{self, Format, Rows};
use crate::secret_input;

/// Verify an e-mail address by the token that was sent to it
///
/// The token works once. As an argument it is seen in the list of processes and kept in the history of the shell; on a shared
/// machine give `-` and pipe it in.
#[derive(Args)]
pub(crate) struct Verify {
    /// The token, 64 characters; `-` reads it from standard input
    #[arg(allow_hyphen_values = true)]
    token: SecretString,
}

impl Verify {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        use registrar_client::ExposeSecret as _;
        let token = if self.token.expose_secret() == "-" { secret_input::from_stdin()? } else { self.token };
        let verified = client.verify_email(token).await?;
        let rows = Rows::default().user(&verified.user).profile(verified.profile.as_ref());
        output::print(format, "The e-mail address is verified.", verified, rows)
    }
}
