//! `cargo xtask demo` and `up` as a newcomer or a script runs them.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::{Client, NoTls};
use registrar_tests::{Http, Installation, Rpc};
use serde_json::{Value, json};
use tempfile::TempDir;

fn xtask(command: &str) -> Command {
    let major = Installation::under_test().unwrap().major();
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args([command, "--pg", &major.to_string(), "--json"]).stdin(Stdio::null());
    xtask
}

/// A running `up`, and the variables it has printed.
struct Up {
    process: Child,
    variables: HashMap<String, String>,
}

impl Up {
    fn start() -> Self {
        let mut process = xtask("up").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let variables = serde_json::from_str(&line).expect("one line of JSON");
        Self { process, variables }
    }

    fn register(&self, email: &str) -> u16 {
        let [url, key] = ["POSTGREST_URL", "SUPABASE_SERVICE_ROLE_KEY"].map(|name| self.variables[name].as_str());
        let call = Rpc::new(&Http::default(), url, "register_user_with_token").key(key);
        call.json(&json!({ "p_email": email })).send().unwrap().status
    }

    /// The addresses of both servers.
    fn addresses(&self) -> [String; 2] {
        ["DATABASE_URL", "POSTGREST_URL"].map(|name| {
            let rest = self.variables[name].rsplit(['@', '/']).find(|part| part.contains(':')).unwrap();
            rest.to_owned()
        })
    }

    fn end(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.success(), signal != Signal::SIGKILL, "after {signal}: {status}");
        let deadline = Instant::now() + Duration::from_secs(10);
        for address in self.addresses() {
            while TcpStream::connect(&address).is_ok() {
                assert!(Instant::now() < deadline, "{address} answers after {signal}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn demo_prints_one_document_that_tells_the_whole_story() {
    let output = xtask("demo").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let story: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON document");

    assert_eq!(story["registration"]["success"], true);
    assert_eq!(story["registration"]["data"]["verification"]["token"].as_str().unwrap().len(), 64);
    assert_eq!(story["verification"]["success"], true);
    assert_eq!(story["duplicate"]["status"], 409);
    assert_eq!(story["duplicate"]["envelope"]["errors"][0]["code"], "email_exists");
    assert_eq!(story["profile"]["user_id"], story["registration"]["data"]["user"]["id"]);
    assert_eq!(story["postgres"], Installation::under_test().unwrap().version());
    assert!(["postgrest", "postrust"].contains(&story["gateway"].as_str().unwrap()));
}

/// A directory with every program of PATH but some, which are replaced by scripts or left out.
fn programs_with(replaced: &[(&str, Option<&str>)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, script) in replaced {
        if let Some(script) = script {
            let path = directory.path().join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
    }
    let path = std::env::var_os("PATH").unwrap();
    for program in std::env::split_paths(&path).filter_map(|place| place.read_dir().ok()).flatten().flatten() {
        let is_replaced = replaced.iter().any(|(name, _)| program.file_name() == *name);
        if !is_replaced {
            // The first of a name counts, as on PATH.
            let _ = symlink(program.path(), directory.path().join(program.file_name()));
        }
    }
    directory
}

#[test]
fn test_says_in_one_line_what_to_install_where_npm_or_a_newer_node_is_missing() {
    let old_node = "#!/bin/sh\necho v18.20.4\n";
    for (replaced, told) in [
        (&[("npm", None), ("apt-get", None)][..], "npm (the names of the Debian packages)"),
        (&[("node", Some(old_node))][..], "Node.js 20 or newer for the official SDK"),
    ] {
        let programs = programs_with(replaced);
        let major = Installation::under_test().unwrap().major().to_string();
        // Where it goes on in spite of that, this very test would run it again.
        let mut xtask = Command::new("timeout");
        xtask.args(["60", env!("CARGO_BIN_EXE_xtask"), "test", "--pg", &major]).env("PATH", programs.path());
        let output = xtask.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{said}");
        assert!(said.starts_with("error: missing: ") && said.contains(told) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn two_ups_do_not_collide_and_end_with_their_process() {
    let (mut one, mut other) = std::thread::scope(|scope| {
        let other = scope.spawn(Up::start);
        (Up::start(), other.join().unwrap())
    });
    assert_eq!(one.register("both@example.com"), 201);
    assert_eq!(other.register("both@example.com"), 201);
    let mut client = Client::connect(&one.variables["DATABASE_URL"], NoTls).unwrap();
    let users: i64 = client.query_one("SELECT count(*) FROM auth.users", &[]).unwrap().get(0);
    assert_eq!(users, 1, "each has a database of its own");

    one.end(Signal::SIGKILL);
    assert_eq!(other.register("after@example.com"), 201, "the other goes on");
    other.end(Signal::SIGINT);
}

#[test]
fn up_names_everything_a_client_needs() {
    let mut up = Up::start();
    let mut names: Vec<&str> = up.variables.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["DATABASE_URL", "JWT_SECRET", "POSTGREST_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"]
    );
    up.end(Signal::SIGTERM);
}
