//! Ways to do the same, measured in turns.

use anyhow::{Context, Result, ensure};
use postgres::Client;
use serde_json::{Value, json};

use super::{median, rounded};

/// Rounds of each comparison; an odd number has a median.
pub(super) const ROUNDS: usize = 7;

/// One way to do what is compared.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// What is in force while it is measured, in SQL.
    pub(super) setting: &'static str,
    /// The procedure's call, whose result are microseconds; `$calls` stands for how many times it does its work.
    pub(super) call: &'static str,
}

/// What is compared: registrar first, then the floor, then, where there is one, the PL/pgSQL twin.
pub(super) struct Comparison {
    pub(super) name: &'static str,
    pub(super) calls: i32,
    /// What is done before each measurement, so that all begin alike.
    pub(super) before: &'static str,
    pub(super) contenders: &'static [Contender],
    /// Counts what was done after each: not less than there were calls.
    pub(super) done: Option<&'static str>,
}

impl Comparison {
    /// Measures all contenders, as `service_role`.
    pub(super) fn measure(&self, client: &mut Client, version: &str) -> Result<Value> {
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
        client.batch_execute(contender.setting)?;
        client.batch_execute(self.before)?;
        client.batch_execute("CHECKPOINT; SET ROLE service_role")?;
        let call = contender.call.replace("$calls", &self.calls.to_string());
        let took = client.query_one(&format!("CALL {call}"), &[]);
        client.batch_execute("RESET ROLE")?;
        let took: f64 = took.with_context(|| format!("{} of {} cannot be measured", contender.name, self.name))?.get(0);
        if let Some(done) = self.done {
            let done: i64 = client.query_one(done, &[])?.get(0);
            let expected = i64::from(self.calls);
            ensure!(done >= expected, "{} of {} did {done} of {expected}", contender.name, self.name);
        }
        Ok(took)
    }
}

/// What the results say, for people.
pub(super) fn explained(what: &str, results: &[Value]) -> String {
    let line = |result: &Value| {
        let number = |name: &str| result[name].as_f64().unwrap_or_default();
        let twin = result.get("ratio_to_plpgsql").map(|ratio| format!(", {ratio:.2} times the PL/pgSQL twin"));
        let hash = result.get("hash_us").map(|hash| format!("; the hash of the password takes {hash} µs besides"));
        format!(
            "{:>13}  {:>8.2} µs, {:.2} times the floor of {:.2} µs{}{}\n",
            result["bench"].as_str().unwrap_or_default(),
            number("us_per_call"),
            number("ratio_to_floor"),
            number("floor_us"),
            twin.unwrap_or_default(),
            hash.unwrap_or_default()
        )
    };
    format!("\nFor one {what}, median of {ROUNDS} rounds:\n{}", results.iter().map(line).collect::<String>())
}
