//! Building the extension.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Result, anyhow, ensure};
use registrar_tests::{Installation, Package, SUPPORTED_MAJORS, target_directory};

use crate::progress::Progress;
use crate::provision::{self, Tools};

/// The workspace's root.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The major versions a command is for: `15`, `15,17` or `all`.
#[derive(Debug, Clone)]
pub(crate) enum Majors {
    These(Vec<u16>),
    AllInstalled,
}

impl Majors {
    /// Them, in order.
    pub(crate) fn list(self) -> Result<Vec<u16>> {
        match self {
            Majors::These(majors) => Ok(majors),
            Majors::AllInstalled => {
                let ready = |&major: &u16| Installation::find(major).is_ok_and(|found| found.has_headers());
                let majors: Vec<u16> = SUPPORTED_MAJORS.into_iter().filter(ready).collect();
                ensure!(!majors.is_empty(), "no PostgreSQL is installed: name one with --pg, e.g. --pg 15");
                Ok(majors)
            }
        }
    }
}

impl FromStr for Majors {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "all" {
            return Ok(Self::AllInstalled);
        }
        let majors = text.split(',').map(|major| major.trim().parse()).collect::<Result<_, _>>();
        majors.map(Self::These).map_err(|_| anyhow!("a major version such as 15, a list such as 15,17, or all"))
    }
}

/// `cargo xtask build`.
pub(crate) fn build_all(progress: &mut Progress, majors: Majors) -> Result<()> {
    for major in majors.list()? {
        let tools = provision::tools(progress, major)?;
        build(progress, &tools)?;
    }
    progress.report();
    Ok(())
}

/// Builds the release extension into the target directory, where the harness finds it. Quick where nothing changed.
pub(crate) fn build(progress: &mut Progress, tools: &Tools) -> Result<()> {
    let major = tools.postgres.major();
    let mut command = cargo_pgrx(tools)?;
    command.args(["package", "--package", "registrar", "--no-default-features", "--features", &format!("pg{major}")]);
    command.arg("--pg-config").arg(tools.postgres.program("pg_config"));
    // Two commands at once: one builds, and both use what it built. Nobody reads a package that is half written.
    let _lock = Package::lock_for_writing()?;
    progress.command(&format!("Build registrar for PostgreSQL {major}, release"), &mut command)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `cargo pgrx` for one PostgreSQL, with no configuration of its own in the user's home.
pub(crate) fn cargo_pgrx(tools: &Tools) -> Result<Command> {
    let mut command = Command::new(&tools.cargo_pgrx);
    command.arg("pgrx").current_dir(workspace());
    command.env("CARGO_TARGET_DIR", target_directory()?);
    command.env("CARGO_PGRX", &tools.cargo_pgrx);
    command.env("PGRX_PG_CONFIG_PATH", tools.postgres.program("pg_config"));
    Ok(command)
}
