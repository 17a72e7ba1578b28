//! `cargo xtask bench sign-in`: what it costs to know who is signed in, against the bare look-up.

use anyhow::{Context, Result};
use registrar_tests::Stack;
use serde_json::Value;

use super::interleaved::{Comparison, Contender, ROUNDS};
use super::{require_release, rounded};
use crate::progress::Progress;

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "get_session",
        calls: 50_000,
        before: "",
        contenders: &[
            Contender { name: "registrar", setting: "", call: "bench.find_registrar($calls, NULL)" },
            Contender { name: "floor", setting: "", call: "bench.find_bare($calls, NULL)" },
        ],
        done: None,
    },
    Comparison {
        name: "check_session",
        calls: 50_000,
        before: "",
        contenders: &[
            Contender { name: "registrar", setting: "", call: "bench.check_registrar($calls, true, NULL)" },
            Contender { name: "floor", setting: "", call: "bench.check_registrar($calls, false, NULL)" },
        ],
        done: None,
    },
];

/// Runs the benches.
pub(super) fn run(progress: &mut Progress, stack: &Stack) -> Result<Vec<Value>> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    progress.step("Prepare 50,000 sessions", || {
        client.batch_execute(include_str!("sign_in.sql")).context("the contenders cannot be made")?;
        Ok(client.batch_execute("VACUUM ANALYZE registrar_private.sessions")?)
    })?;
    let version = stack.cluster().installation().version().to_owned();
    COMPARISONS
        .iter()
        .map(|bench| {
            let step = format!("Measure {}, {ROUNDS} rounds of {} calls each", bench.name, bench.calls);
            let mut result = progress.step(&step, || bench.measure(&mut client, &version))?;
            let number = |name: &str| result[name].as_f64().unwrap_or_default();
            let added = number("us_per_call") - number("floor_us");
            result["added_us"] = rounded(added, 2).into();
            Ok(result)
        })
        .collect()
}
