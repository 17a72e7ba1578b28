//! `registrar env`: the settings of this program.

mod check;
mod key;
mod live;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;

/// Look at the settings of this program
#[derive(Subcommand)]
pub(crate) enum Env {
    Check(check::Check),
}

impl Env {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        match self {
            Self::Check(command) => command.run(context).await,
        }
    }
}
