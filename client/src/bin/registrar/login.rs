//! `registrar login`

use clap::Args;
use registrar_client::{Client, SignedIn};

use crate::failure::Failure;
use crate::identifier::Identifier;
use crate::output::{self, Format, Rows};
use crate::secret_input;
use crate::session_file::Location;

/// Sign in with a password, and store the session
///
/// The password is asked for without echo. The session is stored in a file that nobody else may read, and its tokens are never printed.
#[derive(Args)]
pub(crate) struct Login {
    #[command(flatten)]
    identifier: Identifier,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// What to call this device in the list of sessions
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    #[command(flatten)]
    location: Location,
}

impl Login {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let password = if self.password_stdin { secret_input::from_stdin()? } else { secret_input::ask("Password: ")? };
        let mut sign_in = self.identifier.sign_in(password);
        if let Some(device) = self.device {
            sign_in = sign_in.device_name(device);
        }
        let signed_in = client.sign_in(sign_in).await?;
        self.location.store(client, &signed_in)?;
        print(format, signed_in)
    }
}

/// Tells who is signed in now, without the tokens.
pub(crate) fn print(format: Format, signed_in: SignedIn) -> Result<(), Failure> {
    let SignedIn { user, session, tokens: _ } = signed_in;
    let rows = Rows::default().user(&user).session(&session);
    output::print(format, "Signed in.", serde_json::json!({ "user": user, "session": session }), rows)
}
