//! `cargo xtask lint`: what needs no server to be checked.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::extension::{cargo, workspace};
use crate::progress::Progress;
use crate::provision;

/// Checks format, lints, and the licences and sources of what registrar is built from.
pub(crate) fn run(progress: &mut Progress, major: u16) -> Result<()> {
    let tools = provision::tools(progress, major)?;
    provision::rustup_components(progress)?;
    progress.shown_command("Format", in_workspace(&["fmt", "--all", "--check"]).stdin(Stdio::null()))?;

    let deny_warnings = ["--", "--deny", "warnings"];
    let mut outside = in_workspace(&["clippy", "--all-targets"]);
    progress.shown_command("Lints of everything but the extension", outside.args(deny_warnings))?;

    let features = format!("pg{major},pg_test");
    let mut extension = in_workspace(&["clippy", "--package", "registrar", "--all-targets", "--features", &features]);
    extension.env("PGRX_PG_CONFIG_PATH", tools.postgres.program("pg_config"));
    progress.shown_command("Lints of the extension", extension.args(deny_warnings))?;

    if provision::cargo_deny(progress) {
        // The database of advisories is on the network, and an outage there says nothing about registrar.
        let with_advisories =
            in_workspace(&["deny", "fetch", "db"]).output().is_ok_and(|output| output.status.success());
        let mut deny = in_workspace(&["deny", "check", "bans", "licenses", "sources"]);
        deny.args(with_advisories.then_some("advisories"));
        let name = if with_advisories {
            "Licences, sources, advisories"
        } else {
            "Licences and sources (advisories are out of reach)"
        };
        progress.shown_command(name, &mut deny)?;
    }
    Ok(())
}

fn in_workspace(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.current_dir(workspace()).args(arguments);
    command
}
