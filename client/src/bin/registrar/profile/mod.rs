//! `registrar profile`: the profiles of single users, and the upkeep of a whole table.

mod backfill;
mod bars;
mod create;
mod document;
mod events;
mod export;
mod get;
mod import;
mod repair;
mod stats;
mod status;
mod update;

use clap::{Args, Subcommand};
use registrar_client::{Client, Profiles};
use uuid::Uuid;

use crate::failure::Failure;
use crate::output::Format;

/// Look after profiles: one user's, or a whole table
#[derive(Subcommand)]
pub(crate) enum Profile {
    Create(create::Create),
    Get(get::Get),
    Update(update::Update),
    Status(status::Status),
    Stats(stats::Stats),
    Export(export::Export),
    Import(import::Import),
    Backfill(backfill::Backfill),
    Repair(repair::Repair),
}

impl Profile {
    /// The user whom the command names, if it names one.
    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::Create(create::Create { user_id, .. })
            | Self::Get(get::Get { user_id, .. })
            | Self::Update(update::Update { user_id, .. })
            | Self::Status(status::Status { user_id, .. }) => Some(*user_id),
            Self::Stats(_) | Self::Export(_) | Self::Import(_) | Self::Backfill(_) | Self::Repair(_) => None,
        }
    }

    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let user_id = self.user_id();
        let done = match self {
            Self::Create(command) => command.run(client, format).await,
            Self::Get(command) => command.run(client, format).await,
            Self::Update(command) => command.run(client, format).await,
            Self::Status(command) => command.run(client, format).await,
            Self::Stats(command) => command.run(client, format).await,
            Self::Export(command) => command.run(client, format).await,
            Self::Import(command) => command.run(client, format).await,
            Self::Backfill(command) => command.run(client, format).await,
            Self::Repair(command) => command.run(client, format).await,
        };
        done.inspect_err(|failure| events::failed(user_id, failure))
    }
}

/// Which table a command is about.
#[derive(Args)]
struct Table {
    /// The profile table, like user_profiles or public.user_profiles; the primary one unless given
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
}

impl Table {
    fn of(self, client: &Client) -> Profiles {
        match self.table {
            Some(name) => client.profiles().table(name),
            None => client.profiles(),
        }
    }
}
