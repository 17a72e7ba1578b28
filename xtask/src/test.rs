//! `cargo xtask test`: every test of the workspace.

use std::fs::File;

use anyhow::{Context, Result};
use nix::unistd::{User, geteuid};
use registrar_tests::server_process::ServerUser;
use registrar_tests::{Scratch, sweep};

use crate::extension::{self, Majors, cargo, cargo_pgrx, workspace};
use crate::progress::Progress;
use crate::provision::{self, Tools};

/// Runs all tests; those that touch no database once, the others for every major version. Cargo's own summary is the last word.
pub(crate) fn run(progress: &mut Progress, majors: Majors) -> Result<()> {
    let majors = majors.list()?;
    let tools = majors.iter().map(|&major| provision::tools(progress, major)).collect::<Result<Vec<_>>>()?;
    provision::gateway(progress)?;
    provision::test_programs(progress)?;

    for tools in &tools {
        extension::build(progress, tools)?;
        pgrx_test(progress, tools)?;
    }
    for (index, tools) in tools.iter().enumerate() {
        let major = tools.postgres.major();
        let mut command = cargo();
        command.current_dir(workspace()).args(["test", "--no-fail-fast"]).env("REGISTRAR_TEST_PG", major.to_string());
        let name = if index == 0 {
            format!("Tests of everything outside PostgreSQL, on PostgreSQL {major}")
        } else {
            // What touches no database was tested with the first.
            command.args(["--package", "registrar-tests"]);
            format!("Tests from the outside on PostgreSQL {major}")
        };
        progress.shown_command(&name, &mut command)?;
    }
    sweep();
    Ok(())
}

/// The `#[pg_test]`s. pgrx installs a debug build of the extension for them where PostgreSQL keeps its extensions, as root, and
/// starts a server of its own; the harness looks at neither.
fn pgrx_test(progress: &mut Progress, tools: &Tools) -> Result<()> {
    let major = tools.postgres.major();
    let server_user = ServerUser::current()?;
    let scratch = Scratch::new()?;
    let data = scratch.directory_of(&server_user, "pgrx")?.join("data");
    let run_as = match server_user.name() {
        Some(name) => name.to_owned(),
        None => User::from_uid(geteuid())?.context("the current user has no name")?.name,
    };
    let mut command = cargo_pgrx(tools)?;
    command.args(["test", &format!("pg{major}"), "--package", "registrar", "--no-default-features"]);
    command.arg("--runas").arg(run_as).arg("--pgdata").arg(data);
    // A server that inherits it puts backtraces into its messages, and no test wants them.
    command.env_remove("RUST_BACKTRACE");
    let _lock = installation_lock(major)?;
    progress.shown_command(&format!("Tests inside PostgreSQL {major}"), &mut command)
}

/// Two runs at once would replace each other's debug build, from other checkouts and by other users too.
fn installation_lock(major: u16) -> Result<File> {
    let path = std::env::temp_dir().join(format!("registrar-pg{major}.lock"));
    // A file that another user made can be read, not created again.
    let lock = File::open(&path).or_else(|_| File::create(&path));
    let lock = lock.with_context(|| format!("cannot open {}", path.display()))?;
    lock.lock()?;
    Ok(lock)
}
