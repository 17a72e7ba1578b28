//! `cargo xtask bench profiles`: what a profile costs, against the bare statements that it cannot do without.

use anyhow::{Context, Result, ensure};
use postgres::Client;
use registrar_tests::Stack;
use serde_json::{Value, json};

use super::{median, require_release, rounded};
use crate::progress::Progress;

/// Rounds of each bench; an odd number has a median.
const ROUNDS: usize = 7;

/// One way to do what a bench measures.
struct Contender {
    name: &'static str,
    /// Which triggers on `auth.users` are enabled; foreign keys are checked in any case.
    triggers: &'static str,
    /// The procedure's call; `$calls` stands for how many users.
    call: &'static str,
}

/// What is compared: registrar first, then the floor, then, where there is one, the PL/pgSQL twin.
struct Bench {
    name: &'static str,
    calls: i32,
    /// What is done before each measurement, so that all begin alike.
    before: &'static str,
    contenders: &'static [Contender],
}

const OURS: &str = "ENABLE TRIGGER USER, DISABLE TRIGGER bench_handle_new_user";
const NONE: &str = "DISABLE TRIGGER USER";
const TWIN: &str = "DISABLE TRIGGER USER, ENABLE TRIGGER bench_handle_new_user";
const EMPTY: &str = "TRUNCATE auth.users CASCADE";

const BENCHES: &[Bench] = &[
    Bench {
        name: "trigger",
        calls: 5_000,
        before: EMPTY,
        contenders: &[
            Contender { name: "registrar", triggers: OURS, call: "bench.sign_up_each($calls, false, NULL)" },
            Contender { name: "floor", triggers: NONE, call: "bench.sign_up_each($calls, true, NULL)" },
            Contender { name: "plpgsql", triggers: TWIN, call: "bench.sign_up_each($calls, false, NULL)" },
        ],
    },
    Bench {
        name: "bulk",
        calls: 100_000,
        before: EMPTY,
        contenders: &[
            Contender { name: "registrar", triggers: OURS, call: "bench.sign_up_all($calls, false, NULL)" },
            Contender { name: "floor", triggers: NONE, call: "bench.sign_up_all($calls, true, NULL)" },
            Contender { name: "plpgsql", triggers: TWIN, call: "bench.sign_up_all($calls, false, NULL)" },
        ],
    },
    Bench {
        name: "backfill",
        calls: 100_000,
        before: "TRUNCATE public.user_profiles",
        contenders: &[
            Contender { name: "registrar", triggers: OURS, call: "bench.backfill_registrar($calls, NULL)" },
            Contender { name: "floor", triggers: OURS, call: "bench.backfill_bare($calls, NULL)" },
        ],
    },
    Bench {
        name: "get_profile",
        calls: 50_000,
        before: "",
        contenders: &[
            Contender { name: "registrar", triggers: OURS, call: "bench.look_up_registrar($calls, NULL)" },
            Contender { name: "floor", triggers: OURS, call: "bench.look_up_bare($calls, NULL)" },
        ],
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
    BENCHES
        .iter()
        .map(|bench| {
            let step = format!("Measure {}, {ROUNDS} rounds of {} users each", bench.name, bench.calls);
            progress.step(&step, || bench.measure(&mut client, &version))
        })
        .collect()
}

impl Bench {
    fn measure(&self, client: &mut Client, version: &str) -> Result<Value> {
        let mut times: Vec<Vec<f64>> = self.contenders.iter().map(|_| Vec::new()).collect();
        // The first round warms plans and caches.
        for round in 0..=ROUNDS {
            for turn in 0..self.contenders.len() {
                let place = (round + turn) % self.contenders.len();
                let took = self.once(client, &self.contenders[place])?;
                if round > 0 {
                    times[place].push(took);
                }
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        let mut result = json!({
            "bench": self.name,
            "us_per_call": rounded(medians[0], 2),
            "floor_us": rounded(medians[1], 2),
            "ratio_to_floor": rounded(medians[0] / medians[1], 3),
            "rounds": ROUNDS,
            "calls_per_round": self.calls,
            "profile": "release",
            "postgres": version,
        });
        if let Some(twin) = medians.get(2) {
            result["plpgsql_us"] = rounded(*twin, 2).into();
            result["ratio_to_plpgsql"] = rounded(medians[0] / twin, 3).into();
        }
        Ok(result)
    }

    fn once(&self, client: &mut Client, contender: &Contender) -> Result<f64> {
        client.batch_execute(&format!("ALTER TABLE auth.users {}", contender.triggers))?;
        client.batch_execute(self.before)?;
        client.batch_execute("CHECKPOINT; SET ROLE service_role")?;
        let call = contender.call.replace("$calls", &self.calls.to_string());
        let took = client.query_one(&format!("CALL {call}"), &[]);
        client.batch_execute("RESET ROLE")?;
        let took: f64 = took.with_context(|| format!("{} of {} cannot be measured", contender.name, self.name))?.get(0);
        let profiles: i64 =
            client.query_one("SELECT count(*) FROM public.user_profiles WHERE field_of_study IS NOT NULL", &[])?.get(0);
        let expected = i64::from(self.calls);
        ensure!(profiles >= expected, "{} of {} left {profiles} profiles of {expected}", contender.name, self.name);
        Ok(took)
    }
}

/// What the results say, for people.
pub(super) fn explained(results: &[Value]) -> String {
    let line = |result: &Value| {
        let number = |name: &str| result[name].as_f64().unwrap_or_default();
        let twin = result.get("ratio_to_plpgsql").map(|ratio| format!(", {ratio:.2} times the PL/pgSQL twin"));
        format!(
            "{:>12}  {:>8.2} µs, {:.2} times the floor of {:.2} µs{}\n",
            result["bench"].as_str().unwrap_or_default(),
            number("us_per_call"),
            number("ratio_to_floor"),
            number("floor_us"),
            twin.unwrap_or_default()
        )
    };
    format!("\nFor one user, median of {ROUNDS} rounds:\n{}", results.iter().map(line).collect::<String>())
}
