//! The password of a user who is made or changed.

use clap::Args;
use registrar_client::SecretString;

use crate::failure::Failure;
use crate::secret_input;

#[derive(Args)]
pub(super) struct NewPassword {
    /// Ask for the password, without echo
    #[arg(long, conflicts_with = "password_stdin")]
    password: bool,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl NewPassword {
    pub(super) fn read(self) -> Result<Option<SecretString>, Failure> {
        match (self.password_stdin, self.password) {
            (true, _) => secret_input::from_stdin().map(Some),
            (false, true) => secret_input::new_password().map(Some),
            (false, false) => Ok(None),
        }
    }
}
