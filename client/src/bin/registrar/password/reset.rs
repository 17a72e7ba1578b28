//! `registrar password reset request` and `confirm`

use clap::{Args, Subcommand};
use registrar_client::Client;

use crate::failure::Failure;
use crate::output::{self, Format, Rows};
use crate::secret_input;

/// Reset a password that was forgotten
#[derive(Subcommand)]
pub(crate) enum Reset {
    Request(Request),
    Confirm(Confirm),
}

/// Make a token to choose a new password with, and print it
///
/// The token before it no longer works. It is a secret: send it to the user, store it nowhere.
#[derive(Args)]
pub(crate) struct Request {
    /// The e-mail address
    email: String,
}

/// Choose a new password by a token; all sessions of the user end
///
/// Token and password are asked for without echo.
#[derive(Args)]
pub(crate) struct Confirm {
    /// Read the token and the new password from standard input, a line each
    #[arg(long)]
    stdin: bool,
}

impl Reset {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        match self {
            Self::Request(command) => command.run(client, format).await,
            Self::Confirm(command) => command.run(client, format).await,
        }
    }
}

impl Request {
    async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let requested = client.request_password_reset(&self.email).await?;
        let rows = requested.reset.iter().fold(Rows::default(), |rows, reset| {
            rows.with("token", &reset.token).with("token expires at", reset.expires_at.to_rfc3339())
        });
        output::print(format, "A token is made. Send it to the user; the one before no longer works.", requested, rows)
    }
}

impl Confirm {
    async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let [token, password] = if self.stdin {
            secret_input::lines_from_stdin(["the token", "the new password"])?
        } else {
            [secret_input::ask("Token: ")?, secret_input::new_password()?]
        };
        super::print(format, client.reset_password(token, password).await?)
    }
}
