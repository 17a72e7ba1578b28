//! `registrar users export`

use clap::Args;
use registrar_client::{Client, Envelope};
use serde_json::json;
use uuid::Uuid;

use crate::export_target::{ExportTarget, Page};
use crate::failure::Failure;
use crate::output::{self, Format, Rows};

const USERS_PER_PAGE: u32 = 1000;

/// Write all users as JSON lines, to be read by registrar users import --preset supabase
///
/// A file is written under another name and renamed at the end, so that it is there as a whole or not at all; only its owner
/// may read it. Profiles are not in it: registrar profile export writes those.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    target: ExportTarget,
    /// Write the hashes of the passwords too, where the database's owner has set registrar.export_password_hashes
    #[arg(long)]
    with_hashes: bool,
}

impl Export {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let (mut place, mut peppered) = (Some(None::<Uuid>), 0);
        let next = async || {
            let Some(after) = place else { return Ok(None) };
            let page = client.export_users(after, USERS_PER_PAGE, self.with_hashes).await?;
            place = page.next.map(Some);
            peppered += page.peppered;
            Ok(Some(Page { rows: page.users, total: page.total }))
        };
        let exported = self.target.write(format, next).await?;
        if peppered > 0 {
            eprintln!(
                "{peppered} users' passwords stay behind: they cannot be verified without the pepper of the app that made them."
            );
        }
        let Some(exported) = exported else { return Ok(()) };
        let (users, file) = (exported.rows, exported.file);
        let message = format!("Exported {users} users.");
        match format {
            Format::Table => output::print_table(&message, Rows::default().with("users", users).with("file", &file)),
            Format::Json => output::print_json(&Envelope::success(
                message,
                json!({"users": users, "file": file, "passwords_left_behind": peppered}),
            )),
        }
    }
}
