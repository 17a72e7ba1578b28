//! The `registrar` program, as it was built along with the suites.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::postgres::target_directory;

/// A command that runs `registrar` with none of the caller's environment but PATH: what it is told, the test tells it.
pub fn registrar_program() -> Result<Command> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let program = target_directory()?.join(profile).join("registrar");
    ensure!(program.is_file(), "{} is not built: run `cargo build --package registrar-client`", program.display());
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    Ok(command)
}
