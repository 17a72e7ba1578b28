//! `cargo xtask bench doctor`: what the doctor takes on a million healthy users, against the scans that it cannot avoid.

use anyhow::{Context, Result};
use postgres::Client;
use registrar_tests::Stack;
use serde_json::{Value, json};

use super::{median, require_release, rounded};
use crate::progress::Progress;

/// Rounds; an odd number has a median.
const ROUNDS: usize = 7;

/// The doctor, and the scans.
const CONTENDERS: [&str; 2] = ["bench.doctor", "bench.anti_joins"];

/// Runs the bench.
pub(super) fn run(progress: &mut Progress, stack: &Stack) -> Result<Value> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    progress.step("Prepare 1,000,000 users with profiles", || {
        let (users, procedures) = include_str!("doctor.sql").split_once("CREATE SCHEMA").expect("users come first");
        // VACUUM runs in no transaction.
        for statement in users.split_inclusive(";\n") {
            client.batch_execute(statement).context("the users cannot be made")?;
        }
        Ok(client.batch_execute(&format!("CREATE SCHEMA{procedures}"))?)
    })?;
    let times = progress.step(&format!("Measure, {ROUNDS} rounds"), || measure_interleaved(&mut client))?;
    let [doctor, floor] = times.map(median);
    Ok(json!({
        "bench": "doctor",
        "us_per_call": rounded(doctor, 0),
        "floor_us": rounded(floor, 0),
        "ratio_to_floor": rounded(doctor / floor, 3),
        "users": 1_000_000,
        "rounds": ROUNDS,
        "profile": "release",
        "postgres": stack.cluster().installation().version(),
    }))
}

fn measure_interleaved(client: &mut Client) -> Result<[Vec<f64>; 2]> {
    let mut times = [const { Vec::new() }; 2];
    // The first round warms the cache.
    for round in 0..=ROUNDS {
        for turn in 0..CONTENDERS.len() {
            let place = (round + turn) % CONTENDERS.len();
            let took: f64 = client.query_one(&format!("CALL {}(NULL)", CONTENDERS[place]), &[])?.get(0);
            if round > 0 {
                times[place].push(took);
            }
        }
    }
    Ok(times)
}

/// What the result says, for people.
pub(super) fn explained(result: &Value) -> String {
    let milliseconds = |name: &str| result[name].as_f64().unwrap_or_default() / 1000.0;
    format!(
        "\nThe doctor on 1,000,000 users with profiles, median of {ROUNDS} rounds: {:.0} ms, {:.2} times the {:.0} ms of the two \
         anti-joins that it cannot avoid\n",
        milliseconds("us_per_call"),
        result["ratio_to_floor"].as_f64().unwrap_or_default(),
        milliseconds("floor_us"),
    )
}
