//! Node.js with the packages of `tests/js`: the official SDK, and a server of its API.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::postgres::target_directory;
use crate::scratch::Scratch;
use crate::server_process::{ServerProcess, ServerUser};

/// The oldest Node.js that the SDK runs on.
const OLDEST_NODE: u32 = 20;

/// Longest time that a suite in JavaScript may take.
const LONGEST: Duration = Duration::from_secs(180);

/// The directory `tests/js` with what its lock file names in `node_modules`, installed where it is not there yet.
pub fn js_directory() -> Result<PathBuf> {
    check_node()?;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    // Suites run at the same time, and one of them installs.
    let lock = target_directory()?.join("registrar-node-modules.lock");
    let lock = File::options().create(true).append(true).open(lock)?;
    lock.lock()?;
    let wanted = fs::read(directory.join("package-lock.json")).context("tests/js has no lock file")?;
    let installed = directory.join("node_modules/installed.json");
    if fs::read(&installed).ok().as_ref() == Some(&wanted) {
        return Ok(directory);
    }
    let npm = which::which("npm").context("missing: npm; on Debian, `apt-get install npm`")?;
    let mut command = Command::new(npm);
    command.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&directory);
    let output = command.output().context("cannot start npm")?;
    ensure!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(installed, wanted)?;
    Ok(directory)
}

/// Checks that Node.js is there and new enough; says what to install where it is not.
pub fn check_node() -> Result<()> {
    let node = which::which("node").context("missing: node; on Debian, `apt-get install nodejs`")?;
    let output = Command::new(&node).arg("--version").output().context("cannot start node")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // "v20.20.2"
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= OLDEST_NODE),
        "missing: Node.js {OLDEST_NODE} or newer for the official SDK; {} is {version}, install a newer one from https://nodejs.org",
        node.display()
    );
    Ok(())
}

/// A command that runs Node.js in a directory with none of the caller's environment, and ends when this process does.
pub(crate) fn node_command(directory: &Path) -> Result<Command> {
    // As this process's own user: the packages may lie where no other user gets to, in root's home for instance.
    let user = ServerUser::of_this_process();
    let mut command = user.command(&which::which("node")?, Signal::SIGTERM);
    command.current_dir(directory);
    Ok(command)
}

/// Runs a suite of `tests/js` by Node's own test runner, with an environment of its own.
///
/// # Errors
/// Where a test fails, or the whole takes more than three minutes: everything that the runner has printed.
pub fn run_js_suite(name: &str, environment: &[(&str, &str)]) -> Result<()> {
    let directory = js_directory()?;
    let scratch = Scratch::new()?;
    let log = scratch.path().join("suite.log");
    let mut command = node_command(&directory)?;
    command.args(["--test", "--test-reporter=spec", name]).envs(environment.iter().copied());
    let mut runner = ServerProcess::spawn("node --test", command, &log)?;
    let status = runner.wait(LONGEST);
    let printed = fs::read_to_string(log)?;
    let status = status.with_context(|| printed.clone())?;
    ensure!(status.success(), "{name} ended with {status}:\n{printed}");
    // A file without a test would count as one that passes.
    ensure!(printed.lines().any(|line| line.starts_with('✔')), "{name} has no test:\n{printed}");
    Ok(())
}
