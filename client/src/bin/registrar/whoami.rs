//! `registrar whoami`

use clap::Args;
use registrar_client::{Client, FoundSession};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Format, Rows};
use crate::session_file::{Location, StoredSession};

/// Tell who is signed in, and how long the session lasts
///
/// The database is asked, so that a session that was ended elsewhere is told of.
#[derive(Args)]
pub(crate) struct Whoami {
    #[command(flatten)]
    location: Location,
}

impl Whoami {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let stored = self.location.load(client)?;
        let user = stored.user().clone();
        let found = find(client, &stored).await;
        let FoundSession { session } = stored.finish(found)?;
        let rows = Rows::default().user(&user).session(&session);
        output::print(format, "Signed in.", json!({ "user": user, "session": session }), rows)
    }
}

async fn find(client: &Client, stored: &StoredSession) -> registrar_client::Result<FoundSession> {
    client.get_session(stored.keeper().session_token().await?).await
}
