//! `registrar logout`

use clap::{Args, ValueEnum};
use registrar_client::{Client, LoggedOut, LogoutScope};

use crate::failure::Failure;
use crate::output::{self, Format, Rows};
use crate::session_file::{self, Location};

/// End the stored session, for the very next request
#[derive(Args)]
pub(crate) struct Logout {
    /// Which sessions of the user are ended
    #[arg(long, value_enum, default_value_t = Scope::This)]
    scope: Scope,
    #[command(flatten)]
    location: Location,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// The stored one
    This,
    /// All but the stored one
    Others,
    /// All of them
    All,
}

impl Logout {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let stored = self.location.load(client)?;
        let scope = match self.scope {
            Scope::This => LogoutScope::This,
            Scope::Others => LogoutScope::Others,
            Scope::All => LogoutScope::All,
        };
        let logged_out = match stored.keeper().logout(scope).await {
            // It is over either way.
            Err(error) if self.scope == Scope::This && session_file::has_ended(&error) => Ok(LoggedOut { ended: 0 }),
            outcome => outcome,
        };
        let logged_out = if self.scope == Scope::Others || logged_out.is_err() {
            stored.finish(logged_out)?
        } else {
            stored.forget()?;
            logged_out?
        };
        let rows = Rows::default().with("sessions ended", logged_out.ended);
        output::print(format, "Logged out.", logged_out, rows)
    }
}
