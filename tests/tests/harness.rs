//! The harness itself: what it starts stays up, stays apart, and never outlives whoever started it.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use registrar_tests::{Cluster, Role, Stack, SupabaseLite, empty_database, sweep};
use serde_json::{Value, json};

/// A process that holds a stack, and what the stack consists of.
struct Holder {
    process: Child,
    servers: HashSet<u32>,
    directory: PathBuf,
}

impl Holder {
    fn start() -> Self {
        let mut process =
            Command::new(env!("CARGO_BIN_EXE_hold_stack")).stdout(Stdio::piped()).spawn().expect("it is built");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let parts: Value = serde_json::from_str(&line).expect("the stack is up");
        let servers: HashSet<u32> = serde_json::from_value(parts["processes"].clone()).unwrap();
        let directory = serde_json::from_value(parts["directory"].clone()).unwrap();
        Self { process, servers, directory }
    }

    /// The servers and all that they have started, backends for instance.
    fn all_processes(&self) -> HashSet<u32> {
        let mut all = self.servers.clone();
        loop {
            let children: Vec<u32> = running().filter(|(_, parent)| all.contains(parent)).map(|(id, _)| id).collect();
            let known = all.len();
            all.extend(children);
            if all.len() == known {
                return all;
            }
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The processes of this machine that have not ended, each with its parent.
fn running() -> impl Iterator<Item = (u32, u32)> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("stat")).ok()?;
        // "id (name) state parent …", where the name can hold anything
        let mut fields = status.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (state != "Z" && state != "X").then_some((id, parent.parse().ok()?))
    })
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_server_outlives_a_killed_process() {
    let mut holder = Holder::start();
    let processes = holder.all_processes();
    let alive = || -> Vec<u32> { running().map(|(id, _)| id).filter(|id| processes.contains(id)).collect() };
    assert!(alive().len() > 5, "postmaster, its helpers, the gateway and @supabase/lite run: {:?}", alive());

    holder.kill();
    eventually("every process of the stack has ended", || alive().is_empty());
}

#[test]
fn the_next_run_removes_what_a_killed_one_left() {
    let mut holder = Holder::start();
    sweep();
    assert!(holder.directory.join("data").is_dir(), "a living process keeps its files");

    holder.kill();
    assert!(holder.directory.is_dir(), "a killed process removes nothing");
    eventually("the files are gone", || {
        sweep();
        !holder.directory.exists()
    });
}

#[test]
fn a_stack_outlives_the_thread_that_started_it() {
    let stack = std::thread::spawn(|| Stack::start().unwrap()).join().unwrap();
    // The kernel would have sent the signal by now.
    std::thread::sleep(Duration::from_millis(200));
    let parameters = json!({ "p_email": "thread@example.com" });
    stack.rpc(Role::ServiceRole, "register_user_with_token", &parameters).expect_success(201);
}

#[test]
fn a_dropped_stack_leaves_nothing() {
    let stack = Stack::start().unwrap();
    let directory = stack.cluster().directory().to_owned();
    let servers = [stack.cluster().process_id().unwrap(), stack.gateway().process_id().unwrap()];
    drop(stack);
    assert!(!directory.exists());
    assert!(!running().any(|(id, _)| servers.contains(&id)));
}

#[test]
fn a_dropped_supabase_lite_leaves_nothing() {
    let lite = SupabaseLite::start(&empty_database()).unwrap();
    let (process, address) = (lite.process_id().unwrap(), lite.url().replace("http://", ""));
    assert!(TcpStream::connect(&address).is_ok());
    drop(lite);
    assert!(!running().any(|(id, _)| id == process));
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn two_stacks_at_once_are_apart() {
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| Stack::start().unwrap());
        (Stack::start().unwrap(), other.join().unwrap())
    });
    assert_ne!(one.url(), other.url());
    assert_ne!(one.cluster().port(), other.cluster().port());

    let parameters = json!({ "p_email": "both@example.com" });
    one.rpc(Role::ServiceRole, "register_user_with_token", &parameters).expect_success(201);
    let foreign = one.request("register_user_with_token").key(other.key(Role::ServiceRole)).json(&parameters);
    assert_eq!(foreign.send().unwrap().status, 401, "a key is good for its own stack only");
    other.rpc(Role::ServiceRole, "register_user_with_token", &parameters).expect_success(201);
}

#[test]
fn a_server_runs_unprivileged_and_without_the_environment_of_its_caller() {
    let cluster = Cluster::builder().unwrap().start().unwrap();
    let process = Path::new("/proc").join(cluster.process_id().unwrap().to_string());

    let status = fs::read_to_string(process.join("status")).unwrap();
    let uids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert!(!uids.split_whitespace().skip(1).any(|uid| uid == "0"), "{uids}");

    // Cargo sets CARGO… for every test, and RUST_BACKTRACE would put backtraces into answers.
    let environment = fs::read(process.join("environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let foreign = |entry: &str| entry.starts_with("CARGO") || entry.starts_with("RUST");
    assert!(!environment.split('\0').any(foreign), "{environment}");
}

#[test]
fn a_cluster_comes_back_on_its_port_after_a_crash() {
    let mut cluster = Cluster::builder().unwrap().start().unwrap();
    let port = cluster.port();
    cluster.admin().unwrap().batch_execute("CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    cluster.crash();
    assert!(cluster.admin().is_err(), "a database that is down refuses connections");
    cluster.start().unwrap();
    assert_eq!(cluster.port(), port);
    let row = cluster.admin().unwrap().query_one("SELECT one FROM kept", &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);
}

#[test]
fn a_gateway_can_be_down_and_slow() {
    let mut stack = Stack::start().unwrap();
    let call = stack.request("error_codes").key(stack.key(Role::ServiceRole));
    assert_eq!(call.send().unwrap().status, 200);
    stack.gateway().pause().unwrap();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| call.send().unwrap());
        std::thread::sleep(Duration::from_millis(500));
        assert!(!answer.is_finished(), "a paused gateway answers nothing");
        stack.gateway().resume().unwrap();
        assert_eq!(answer.join().unwrap().status, 200);
    });
    stack.gateway_mut().stop();
    assert!(call.send().is_err());
    stack.gateway_mut().start().unwrap();
    assert_eq!(call.send().unwrap().status, 200);
}
