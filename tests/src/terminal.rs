//! A terminal for a program that asks.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::pty::openpty;

use crate::program_run::ProgramRun;

/// Runs a program whose input, output and errors are a terminal, at which these lines are typed; everything that is shown there is its
/// stdout.
pub fn run_at_terminal(mut command: Command, typed: &str) -> Result<ProgramRun> {
    let terminal = openpty(None, None).context("there is no terminal to be had")?;
    let (mut screen, keyboard) = (File::from(terminal.master.try_clone()?), File::from(terminal.master));
    let side = || -> Result<Stdio> { Ok(terminal.slave.try_clone()?.into()) };
    command.stdin(side()?).stdout(side()?).stderr(side()?);
    let mut child = command.spawn()?;
    // The program's own ends are what is left of that side: with them the terminal ends.
    drop((command, terminal.slave));
    (&keyboard).write_all(typed.as_bytes())?;
    let (mut shown, mut part) = (Vec::new(), [0; 4096]);
    // The end is an error of its own kind (EIO).
    while let Ok(length @ 1..) = screen.read(&mut part) {
        shown.extend_from_slice(&part[..length]);
    }
    let code = child.wait()?.code().context("a signal ended it")?;
    Ok(ProgramRun { code, stdout: String::from_utf8(shown)?, stderr: String::new() })
}
