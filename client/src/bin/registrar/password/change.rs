//! `registrar password change`

use clap::Args;
use registrar_client::{Client, PasswordChange, PasswordChanged, SecretString};

use crate::failure::Failure;
use crate::output::Format;
use crate::secret_input;
use crate::session_file::{Location, StoredSession};

/// Change the password of the user who is signed in; all other sessions end
///
/// The current password and the new one are asked for without echo.
#[derive(Args)]
pub(crate) struct Change {
    /// Read the current and the new password from standard input, a line each
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    location: Location,
}

impl Change {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let stored = self.location.load(client)?;
        let [current, new] = if self.stdin {
            secret_input::lines_from_stdin(["the current password", "the new password"])?
        } else {
            [secret_input::ask("Current password: ")?, secret_input::new_password()?]
        };
        let changed = change(client, &stored, current, new).await;
        super::print(format, stored.finish(changed)?)
    }
}

async fn change(
    client: &Client,
    stored: &StoredSession,
    current: SecretString,
    new: SecretString,
) -> registrar_client::Result<PasswordChanged> {
    let token = stored.keeper().session_token().await?;
    client.change_password(PasswordChange::within(token, new).current(current)).await
}
