//! `registrar otp`: one-time codes.

mod send;
mod verify;

use clap::{Subcommand, ValueEnum};
use registrar_client::{Client, CodePurpose};

use crate::failure::Failure;
use crate::output::Format;

/// Make a one-time code, or sign in by one
#[derive(Subcommand)]
pub(crate) enum Otp {
    Send(send::Send),
    Verify(verify::Verify),
}

/// What a code is good for.
#[derive(Clone, Copy, ValueEnum)]
enum Purpose {
    /// To sign in by an address or number that is confirmed, or that nobody holds
    SignIn,
    /// To confirm an address or number of a user who is known
    Confirmation,
}

impl From<Purpose> for CodePurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::SignIn => Self::SignIn,
            Purpose::Confirmation => Self::Confirmation,
        }
    }
}

impl Otp {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        match self {
            Self::Send(command) => command.run(client, format).await,
            Self::Verify(command) => command.run(client, format).await,
        }
    }
}
