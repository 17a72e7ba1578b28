//! `cargo xtask bench profiles`: what a profile costs, against the bare statements that it cannot do without.

use anyhow::{Context, Result};
use registrar_tests::Stack;
use serde_json::Value;

use super::interleaved::{Comparison, Contender, ROUNDS};
use super::require_release;
use crate::progress::Progress;

const OURS: &str = "ALTER TABLE auth.users ENABLE TRIGGER USER, DISABLE TRIGGER bench_handle_new_user";
const NONE: &str = "ALTER TABLE auth.users DISABLE TRIGGER USER";
const TWIN: &str = "ALTER TABLE auth.users DISABLE TRIGGER USER, ENABLE TRIGGER bench_handle_new_user";
const EMPTY: &str = "TRUNCATE auth.users CASCADE";

const FILLED: Option<&str> = Some("SELECT count(*) FROM public.user_profiles WHERE field_of_study IS NOT NULL");

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "trigger",
        calls: 5_000,
        before: EMPTY,
        contenders: &[
            Contender { name: "registrar", setting: OURS, call: "bench.sign_up_each($calls, false, NULL)" },
            Contender { name: "floor", setting: NONE, call: "bench.sign_up_each($calls, true, NULL)" },
            Contender { name: "plpgsql", setting: TWIN, call: "bench.sign_up_each($calls, false, NULL)" },
        ],
        done: FILLED,
    },
    Comparison {
        name: "bulk",
        calls: 100_000,
        before: EMPTY,
        contenders: &[
            Contender { name: "registrar", setting: OURS, call: "bench.sign_up_all($calls, false, NULL)" },
            Contender { name: "floor", setting: NONE, call: "bench.sign_up_all($calls, true, NULL)" },
            Contender { name: "plpgsql", setting: TWIN, call: "bench.sign_up_all($calls, false, NULL)" },
        ],
        done: FILLED,
    },
    Comparison {
        name: "backfill",
        calls: 100_000,
        before: "TRUNCATE public.user_profiles",
        contenders: &[
            Contender { name: "registrar", setting: OURS, call: "bench.backfill_registrar($calls, NULL)" },
            Contender { name: "floor", setting: OURS, call: "bench.backfill_bare($calls, NULL)" },
        ],
        done: FILLED,
    },
    Comparison {
        name: "get_profile",
        calls: 50_000,
        before: "",
        contenders: &[
            Contender { name: "registrar", setting: OURS, call: "bench.look_up_registrar($calls, NULL)" },
            Contender { name: "floor", setting: OURS, call: "bench.look_up_bare($calls, NULL)" },
        ],
        done: FILLED,
    },
];

/// Runs the benches, one after the other: each begins with what the one before it has left.
pub(super) fn run(progress: &mut Progress, stack: &Stack) -> Result<Vec<Value>> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    // Every contender would wait for the disk alike, and hide in it what is its own.
    client.batch_execute("SET synchronous_commit = off")?;
    progress.step("Prepare 100,000 people", || {
        client.batch_execute(include_str!("profiles.sql")).context("the contenders cannot be made")?;
        Ok(client.batch_execute("VACUUM FULL ANALYZE bench.people")?)
    })?;
    let version = stack.cluster().installation().version().to_owned();
    COMPARISONS
        .iter()
        .map(|bench| {
            let step = format!("Measure {}, {ROUNDS} rounds of {} users each", bench.name, bench.calls);
            progress.step(&step, || bench.measure(&mut client, &version))
        })
        .collect()
}
