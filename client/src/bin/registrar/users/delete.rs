//! `registrar users delete`

use clap::Args;
use registrar_client::Client;
use uuid::Uuid;

use crate::failure::Failure;
use crate::output::{self, Format, Rows};

/// Delete a user with everything that belongs to them
#[derive(Args)]
pub(crate) struct Delete {
    /// The user's id
    user_id: Uuid,
    /// Keep the row without what it said of them, for the app's own rows that refer to it
    #[arg(long)]
    soft: bool,
}

impl Delete {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let deleted = client.delete_user(self.user_id, self.soft).await?;
        let message = if self.soft { "The user is deleted; the row is kept." } else { "The user is deleted." };
        output::print(format, message, deleted, Rows::default().with("user id", self.user_id))
    }
}
