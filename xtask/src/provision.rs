//! The tools that a command needs: found, or installed where this user may, or named in one line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use registrar_tests::{Gateway, Installation, SUPPORTED_MAJORS, check_node, target_directory};

use crate::extension::cargo;
use crate::progress::Progress;

/// The version of cargo-pgrx: the one of pgrx in the workspace's manifest.
const CARGO_PGRX: &str = "0.18.1";
const POSTRUST: &str = "3.1.0";
const CARGO_DENY: &str = "0.20.2";

/// What building and running for one PostgreSQL takes.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) postgres: Installation,
    pub(crate) cargo_pgrx: PathBuf,
}

/// What building for a PostgreSQL and running it takes, installed where missing.
pub(crate) fn tools(progress: &mut Progress, major: u16) -> Result<Tools> {
    ensure!(SUPPORTED_MAJORS.contains(&major), "registrar is made for PostgreSQL 15 to 18, not {major}");
    install_packages(progress, &missing_packages(major))?;
    let postgres = Installation::find(major)?;
    let cargo_pgrx = cargo_pgrx(progress)?;
    Ok(Tools { postgres, cargo_pgrx })
}

/// A gateway, installed where missing.
pub(crate) fn gateway(progress: &mut Progress) -> Result<()> {
    if Gateway::installed_program().is_ok() || std::env::var_os("POSTGREST_BIN").is_some() {
        return Gateway::installed_program().map(drop);
    }
    // Not --locked: the lock file that this version came with names a crate that is gone.
    let mut command = cargo_install(&format!("postrust-server@{POSTRUST}"));
    progress.command("Install the gateway (postrust)", &mut command)
}

/// The programs that tests run, installed where missing: `cargo pgrx test` starts servers with sudo, the README's examples
/// call curl, and they and the suites of `tests/js` the official SDK, which wants a newer Node.js than some systems package.
pub(crate) fn test_programs(progress: &mut Progress) -> Result<()> {
    let programs = [("sudo", "sudo"), ("curl", "curl"), ("node", "nodejs"), ("npm", "npm")];
    let missing = programs.iter().filter(|(program, _)| which::which(program).is_err());
    install_packages(progress, &missing.map(|(_, package)| (*package).to_owned()).collect::<Vec<_>>())?;
    check_node()
}

/// rustfmt and clippy, installed where the toolchain came without them.
pub(crate) fn rustup_components(progress: &mut Progress) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !runs(cargo().args([subcommand, "--version"])) {
            ensure!(which::which("rustup").is_ok(), "missing: {component}; install it with your Rust toolchain");
            let mut command = Command::new("rustup");
            progress.command(&format!("Install {component}"), command.args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// Whether cargo-deny is there or could be installed.
pub(crate) fn cargo_deny(progress: &mut Progress) -> bool {
    let mut command = cargo_install(&format!("cargo-deny@{CARGO_DENY}"));
    let there = runs(cargo().args(["deny", "--version"]))
        || progress.command("Install cargo-deny", command.arg("--locked")).is_ok();
    if !there {
        eprintln!("cargo-deny is not to be had here: licences and sources are not checked");
    }
    there
}

/// The Debian packages that are not there, told by what they bring.
fn missing_packages(major: u16) -> Vec<String> {
    let postgres = Installation::find(major);
    let missing = [
        (postgres.is_err(), format!("postgresql-{major}")),
        (!postgres.is_ok_and(|found| found.has_headers()), format!("postgresql-server-dev-{major}")),
        (which::which("clang").is_err(), "clang".into()),
        (!has_libclang(), "libclang-dev".into()),
        (which::which("pkg-config").is_err(), "pkg-config".into()),
        (which::which("cc").is_err(), "build-essential".into()),
        (which::which("setpriv").is_err(), "util-linux".into()),
    ];
    missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, package)| package).collect()
}

fn has_libclang() -> bool {
    let holds_libclang = |directory: &Path| {
        let entries = directory.read_dir().into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libclang"))
    };
    let versions = Path::new("/usr/lib").read_dir().into_iter().flatten().flatten();
    let llvm = versions.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("/llvm-"));
    std::env::var_os("LIBCLANG_PATH").is_some() || llvm.into_iter().any(|path| holds_libclang(&path.join("lib")))
}

fn install_packages(progress: &mut Progress, packages: &[String]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("run `apt-get install {}` as root and try again", packages.join(" "));
    ensure!(which::which("apt-get").is_ok(), "missing: {} (the names of the Debian packages)", packages.join(", "));
    ensure!(geteuid().is_root() || has_passwordless_sudo(), "missing: {}; {by_hand}", packages.join(", "));
    progress.command("Update the package lists", apt_get().arg("update"))?;
    for package in packages {
        let otherwise = match package.as_str() {
            "nodejs" | "npm" => "install Node.js 20 or newer from https://nodejs.org",
            package if package.starts_with("postgresql") => {
                "add the repository of apt.postgresql.org, or install that PostgreSQL under /opt/postgresql/VERSION"
            }
            _ => "install it by hand",
        };
        ensure!(is_packaged(package), "missing: {package}, which this system does not package; {otherwise}");
    }
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    progress.command(&format!("Install {}", packages.join(", ")), &mut command).context(by_hand)
}

fn apt_get() -> Command {
    let mut command = Command::new(if geteuid().is_root() { "env" } else { "sudo" });
    if !geteuid().is_root() {
        command.args(["-n", "env"]);
    }
    // Another apt at work is waited for.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=600"]);
    command
}

fn is_packaged(package: &str) -> bool {
    let output = Command::new("apt-cache").args(["policy", package]).output();
    output.is_ok_and(|output| {
        let policy = String::from_utf8_lossy(&output.stdout).into_owned();
        policy.contains("Candidate:") && !policy.contains("Candidate: (none)")
    })
}

fn has_passwordless_sudo() -> bool {
    runs(Command::new("sudo").args(["-n", "true"]))
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// cargo-pgrx of the right version. Where another project of the user has another one, it is left alone.
fn cargo_pgrx(progress: &mut Progress) -> Result<PathBuf> {
    let apart = target_directory()?.join("tools");
    let installed = which::which("cargo-pgrx").or_else(|_| which::which_in("cargo-pgrx", cargo_bin(), "/"));
    let candidates = [installed.ok(), Some(apart.join("bin/cargo-pgrx"))];
    if let Some(found) = candidates.iter().flatten().find(|program| version_of(program).as_deref() == Some(CARGO_PGRX))
    {
        return Ok(found.clone());
    }
    let mut command = cargo_install(&format!("cargo-pgrx@{CARGO_PGRX}"));
    command.arg("--locked");
    let name = "Install cargo-pgrx";
    let [installed, _] = candidates;
    if installed.is_some() {
        progress.command(name, command.arg("--root").arg(&apart))?;
        return Ok(apart.join("bin/cargo-pgrx"));
    }
    progress.command(name, &mut command)?;
    which::which("cargo-pgrx")
        .or_else(|_| which::which_in("cargo-pgrx", cargo_bin(), "/"))
        .context("cargo-pgrx was installed but is not on PATH: add cargo's bin directory to it")
}

fn cargo_bin() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    Some(home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))?.join("bin"))
}

fn version_of(cargo_pgrx: &Path) -> Option<String> {
    let output = Command::new(cargo_pgrx).args(["pgrx", "--version"]).output().ok()?;
    // "cargo-pgrx 0.18.1"
    String::from_utf8(output.stdout).ok()?.split_whitespace().last().map(str::to_owned)
}

/// The cheapest build that serves: a tool that runs for seconds is not worth minutes of optimising.
fn cargo_install(package: &str) -> Command {
    let mut command = cargo();
    command.args(["install", "--debug", package]).env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::workspace;

    #[test]
    fn the_tool_and_the_library_are_of_one_version() {
        let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains(&format!("pgrx = \"={CARGO_PGRX}\"")),
            "cargo-pgrx {CARGO_PGRX} refuses another pgrx"
        );
    }
}
