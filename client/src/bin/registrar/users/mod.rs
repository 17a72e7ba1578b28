//! `registrar users`: the users as a whole.

mod csv_rows;
mod import;
mod json_document;
mod source_file;

use clap::Subcommand;
use registrar_client::Client;

use crate::failure::Failure;
use crate::output::Format;

/// Take in the users of another system
#[derive(Subcommand)]
pub(crate) enum Users {
    Import(Box<import::Import>),
}

impl Users {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        match self {
            Self::Import(command) => command.run(client, format).await,
        }
    }
}
