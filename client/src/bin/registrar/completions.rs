//! `registrar completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::{Arguments, output};

/// Print the completion script of a shell
///
/// bash: registrar completions bash > ~/.local/share/bash-completion/completions/registrar
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        // Into memory first: the generator panics where a pipe is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "registrar", &mut script);
        output::write(&String::from_utf8_lossy(&script))
    }
}
