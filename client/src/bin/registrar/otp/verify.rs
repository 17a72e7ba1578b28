//! `registrar otp verify`

use clap::Args;
use registrar_client::{Client, OtpProof};

use super::Purpose;
use crate::failure::Failure;
use crate::identifier::Identifier;
use crate::login;
use crate::output::Format;
use crate::secret_input;
use crate::session_file::Location;

/// Sign in by a one-time code, and store the session
///
/// The code is asked for without echo.
#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    identifier: Identifier,
    /// Read the code from standard input
    #[arg(long)]
    code_stdin: bool,
    /// What the code was made for
    #[arg(long, value_enum, default_value_t = Purpose::SignIn)]
    purpose: Purpose,
    /// What to call this device in the list of sessions
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    #[command(flatten)]
    location: Location,
}

impl Verify {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let code = if self.code_stdin { secret_input::from_stdin()? } else { secret_input::ask("Code: ")? };
        let mut proof = OtpProof::new(self.identifier.recipient(), code).purpose(self.purpose.into());
        if let Some(device) = self.device {
            proof = proof.device_name(device);
        }
        let signed_in = client.verify_otp(proof).await?;
        self.location.store(client, &signed_in)?;
        login::print(format, signed_in)
    }
}
