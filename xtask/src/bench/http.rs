//! Registrations through the gateway, as a share of what it does when there is next to nothing to do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use registrar_tests::{Http, Role, Rpc, Stack};
use serde_json::{Value, json};

use super::contenders::PASSWORD_HASH;
use super::median;

const CONNECTIONS: u64 = 8;
const ROUND: Duration = Duration::from_millis(1000);

/// Calls per second, as medians of the rounds.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) registrations: f64,
    pub(super) trivial: f64,
}

/// Measures both, a round of one after a round of the other.
pub(super) fn measure(stack: &Stack, rounds: usize) -> Result<Rates> {
    make_trivial_function(stack)?;
    let (mut registrations, mut trivial) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let trivial_rate = rate(stack, "ping", 200, |_| json!({}))?;
        let registration_rate = rate(
            stack,
            "register_user_with_token",
            201,
            |call| json!({ "p_email": format!("http{round}-{call}@example.com"), "p_password_hash": PASSWORD_HASH }),
        )?;
        // The first round opens connections and warms plans.
        if round > 0 {
            trivial.push(trivial_rate);
            registrations.push(registration_rate);
        }
    }
    Ok(Rates { registrations: median(registrations), trivial: median(trivial) })
}

fn make_trivial_function(stack: &Stack) -> Result<()> {
    stack.admin().batch_execute(
        "CREATE FUNCTION registrar.ping() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{\"success\": true}'::jsonb $$;
         REVOKE ALL ON FUNCTION registrar.ping() FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION registrar.ping() TO service_role;",
    )?;
    stack.reload_schema();
    let deadline = Instant::now() + Duration::from_secs(10);
    while stack.rpc(Role::ServiceRole, "ping", &json!({})).status != 200 {
        ensure!(Instant::now() < deadline, "the gateway does not see the new function");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Calls per second of one function with each connection as fast as it gets answers.
fn rate(stack: &Stack, function: &str, status: u16, parameters: impl Fn(u64) -> Value + Sync) -> Result<f64> {
    let (calls, started) = (AtomicU64::new(0), Instant::now());
    let (url, key) = (stack.url(), stack.key(Role::ServiceRole));
    let worker = || -> Result<()> {
        // A connection of its own, kept open.
        let http = Http::default();
        while started.elapsed() < ROUND {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let answer = Rpc::new(&http, &url, function).key(&key).json(&parameters(call)).send()?;
            ensure!(answer.status == status, "{function} was answered {}: {}", answer.status, answer.body);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
    .context("a call failed under load")?;
    Ok(calls.into_inner() as f64 / started.elapsed().as_secs_f64())
}
