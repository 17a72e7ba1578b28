//! `registrar sessions`

use clap::Args;
use comfy_table::{Table, presets};
use registrar_client::{Client, Envelope, ListedSession, Sessions};

use crate::failure::Failure;
use crate::output::{self, Format, printable};
use crate::session_file::{Location, StoredSession};

/// List the live sessions of the user who is signed in, the newest first
#[derive(Args)]
pub(crate) struct ListSessions {
    #[command(flatten)]
    location: Location,
}

impl ListSessions {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let stored = self.location.load(client)?;
        let listed = list(client, &stored).await;
        let listed = stored.finish(listed)?;
        match format {
            Format::Json => output::print_json(&Envelope::success("Sessions found", listed)),
            Format::Table => output::write(&format!("{}\n", table(&listed.sessions))),
        }
    }
}

async fn list(client: &Client, stored: &StoredSession) -> registrar_client::Result<Sessions> {
    client.list_sessions_beside(stored.keeper().session_token().await?).await
}

fn table(sessions: &[ListedSession]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "device", "address", "signed in at", "refreshed at", "ends at", "session id"]);
    for ListedSession { session, is_current } in sessions {
        let text = |value: &Option<String>| printable(value.as_deref().unwrap_or_default());
        table.add_row([
            if *is_current { "*".to_owned() } else { String::new() },
            text(&session.device_name),
            text(&session.address),
            session.created_at.to_rfc3339(),
            session.refreshed_at.to_rfc3339(),
            session.expires_at.to_rfc3339(),
            session.id.to_string(),
        ]);
    }
    table
}
