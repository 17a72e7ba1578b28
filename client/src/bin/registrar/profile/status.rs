//! `registrar profile status`

use clap::Args;
use registrar_client::Client;
use uuid::Uuid;

use super::{Table, document};
use crate::failure::Failure;
use crate::output::{Format, Rows};

/// Tell how complete a user's profile is, and what is missing
#[derive(Args)]
pub(crate) struct Status {
    /// The user's id
    pub(super) user_id: Uuid,
    #[command(flatten)]
    table: Table,
}

impl Status {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let status = self.table.of(client).completion_status(self.user_id).await?;
        let message = if status.is_complete { "The profile is complete." } else { "The profile is not complete." };
        let missing = if status.missing_fields.is_empty() { "none".into() } else { status.missing_fields.join(", ") };
        let rows = Rows::default()
            .with("user id", self.user_id)
            .with("complete", format!("{} %", status.completion_percentage))
            .with("missing fields", missing);
        document::print_of_user(format, message, self.user_id, &status, rows)
    }
}
