//! `registrar profile create`

use clap::Args;
use registrar_client::Client;
use serde_json::Value;
use uuid::Uuid;

use super::{Table, document, events};
use crate::failure::Failure;
use crate::json_object;
use crate::output::Format;

/// Make a user's profile
///
/// A column that is not among the values gets its default. A user who has a profile keeps it: that is exit code 4.
#[derive(Args)]
pub(crate) struct Create {
    /// The user's id
    pub(super) user_id: Uuid,
    /// The columns and their values, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object::parse, default_value = "{}")]
    values: Value,
    #[command(flatten)]
    table: Table,
}

impl Create {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let created = self.table.of(client).create(self.user_id, &self.values).await?;
        events::created(self.user_id);
        document::print_profile(format, "The profile is made.", &created)
    }
}
