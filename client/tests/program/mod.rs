//! Runs the `registrar` program where it needs no server.

use std::net::TcpListener;
use std::path::Path;

use assert_cmd::Command;

pub(crate) const KEY: &str = "header.very-secret-payload.signature";

/// The command in an empty directory and with none of its variables.
pub(crate) fn registrar(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrar"));
    command.current_dir(directory);
    for name in [
        "SUPABASE_URL",
        "POSTGREST_URL",
        "SUPABASE_SERVICE_ROLE_KEY",
        "SUPABASE_ANON_KEY",
        "DATABASE_URL",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSSLMODE",
        "PGSSLROOTCERT",
        "TESTING_MODE",
        "REGISTRAR_LOG",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn empty_directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A command against a port where nothing listens.
pub(crate) fn unreachable(directory: &Path) -> Command {
    let mut command = registrar(directory);
    command.env("POSTGREST_URL", closed_port()).env("SUPABASE_SERVICE_ROLE_KEY", KEY).arg("--no-retry");
    command
}
