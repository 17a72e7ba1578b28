//! `registrar profile get`

use clap::Args;
use registrar_client::Client;
use uuid::Uuid;

use super::{Table, document};
use crate::failure::Failure;
use crate::output::Format;

/// Print a user's profile
#[derive(Args)]
pub(crate) struct Get {
    /// The user's id
    pub(super) user_id: Uuid,
    #[command(flatten)]
    table: Table,
}

impl Get {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let found = self.table.of(client).get(self.user_id).await?;
        document::print_profile(format, "The user has this profile.", &found)
    }
}
