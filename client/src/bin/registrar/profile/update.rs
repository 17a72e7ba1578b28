//! `registrar profile update`

use clap::Args;
use registrar_client::Client;
use serde_json::Value;
use uuid::Uuid;

use super::{Table, document, events};
use crate::failure::Failure;
use crate::json_object;
use crate::output::Format;

/// Change a user's profile
///
/// A column that is not among the values is left alone; null clears it.
#[derive(Args)]
pub(crate) struct Update {
    /// The user's id
    pub(super) user_id: Uuid,
    /// The columns to be changed and their new values, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object::parse)]
    values: Value,
    #[command(flatten)]
    table: Table,
}

impl Update {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let updated = self.table.of(client).update(self.user_id, &self.values).await?;
        events::updated(self.user_id);
        document::print_profile(format, "The profile is changed.", &updated)
    }
}
