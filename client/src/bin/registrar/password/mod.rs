//! `registrar password`: new passwords.

mod change;
mod reset;

use clap::Subcommand;
use registrar_client::{Client, PasswordChanged};

use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// Reset a password by a token, or change it by the current one
#[derive(Subcommand)]
pub(crate) enum Password {
    #[command(subcommand)]
    Reset(reset::Reset),
    Change(change::Change),
}

impl Password {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        match self {
            Self::Reset(command) => command.run(client, format).await,
            Self::Change(command) => command.run(client, format).await,
        }
    }
}

fn print(format: Format, changed: PasswordChanged) -> Result<(), Failure> {
    let rows = Rows::default().user(&changed.user).with("sessions ended", changed.sessions_ended);
    output::print(format, "The new password is in force.", changed, rows)
}
