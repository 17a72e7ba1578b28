//! An import into a disk that is full. In a process of its own: what it sets holds for all that the process starts.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use registrar_tests::{Program, Stack, one};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

const USERS: usize = 16_000;
const MIB_32: u64 = 32 << 20;

/// Lets no file grow any further than that, of all programs that are started from now on, as a full disk does.
fn limit_files(limit: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, limit.min(hard), hard).unwrap();
}

#[test]
fn a_disk_that_is_full_stops_the_import_and_costs_nobody() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.csv");
    let mut text = "id,email,note\n".to_owned();
    for n in 0..USERS {
        // What does not compress.
        let note: String = (0..100).map(|_| Uuid::new_v4().simple().to_string()).collect();
        text.push_str(&format!("{n},full-{n}@example.com,{note}\n"));
    }
    fs::write(&path, text).unwrap();
    limit_files(MIB_32);
    let mut stack = Stack::start().unwrap();
    let arguments =
        ["users", "import", path.to_str().unwrap(), "--preset", "fastapi-users", "--map", "metadata.note=note"];
    let full = Program::of(&stack).run(&arguments);
    assert!(full.code == 1 && full.stderr.contains("Repeating the whole import is safe"), "{full:?}");
    assert!(full.stderr.contains("could not extend file"), "{full:?}");
    let users = "SELECT count(*) FROM auth.users";
    let before: i64 = one(&mut stack.admin(), users, &[]);
    assert!(before > 0 && before < USERS as i64, "it was to stop under way: {before}");

    stack.cluster_mut().stop();
    limit_files(u64::MAX);
    stack.cluster_mut().start().unwrap();
    let repeated = Program::of(&stack).run(&arguments);
    assert_eq!(repeated.code, 0, "{repeated:?}");
    let whole = "SELECT jsonb_build_array(count(DISTINCT u.email), count(p.user_id)) FROM auth.users AS u
                 LEFT JOIN public.user_profiles AS p ON p.user_id = u.id";
    assert_eq!(one::<Value>(&mut stack.admin(), whole, &[]), json!([USERS, USERS]));
}
