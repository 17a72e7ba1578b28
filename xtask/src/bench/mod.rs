//! `cargo xtask bench`: what a registration costs, against what it could cost.

mod contenders;
mod doctor;
mod floor;
mod http;
mod import;
mod interleaved;
mod plot;
mod profiles;
mod sign_in;

use std::path::Path;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use postgres::Client;
use registrar_tests::Stack;
use serde_json::{Value, json};

use self::contenders::Contender;
use crate::extension;
use crate::progress::Progress;
use crate::provision;

/// Rounds in the database, of so many calls each; an odd number has a median.
const ROUNDS: usize = 11;
const CALLS: i32 = 2000;
const HTTP_ROUNDS: usize = 5;

/// What can be measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Bench {
    /// One registration: in the database against the floor and the PL/pgSQL twin, and through HTTP
    Register,
    /// Profiles: by the trigger, in bulk, by backfill, and looked up, each against the bare statements
    Profiles,
    /// Signing in without the hash of the password, and sessions: looked up, and checked before each request
    #[value(name = "sign_in", alias = "sign-in")]
    SignIn,
    /// The doctor on a million users, against the scans that it cannot avoid
    Doctor,
    /// A million users of another system, against the bare statements; through the gateway; and the client's memory. 20 minutes
    Import,
}

/// Measures, and prints a line of JSON for each result; without `json` also what it means. An import is drawn, too, where there is a file for
/// it.
pub(crate) fn run(progress: &mut Progress, bench: Bench, major: u16, json: bool, drawing: Option<&Path>) -> Result<()> {
    let tools = provision::tools(progress, major)?;
    provision::gateway(progress)?;
    extension::build(progress, &tools)?;
    let stack = progress.step("Start PostgreSQL and the gateway", || {
        // What the server does in its own time would fall into one round and not into the next.
        let stack = Stack::builder_with(tools.postgres).server_setting("autovacuum", "off");
        // Nor does each commit wake the WAL writer: that costs every contender the same and would flatter the ratios.
        stack.server_setting("wal_writer_flush_after", "2GB").server_setting("wal_writer_delay", "10s").start()
    })?;
    let (results, explained) = match bench {
        Bench::Register => {
            let result = register(progress, &stack)?;
            (vec![result.clone()], explained(&result))
        }
        Bench::Profiles => {
            let results = profiles::run(progress, &stack)?;
            let explained = interleaved::explained("user", &results);
            (results, explained)
        }
        Bench::SignIn => {
            let results = sign_in::run(progress, &stack)?;
            let explained = interleaved::explained("call", &results);
            (results, explained)
        }
        Bench::Doctor => {
            let result = doctor::run(progress, &stack)?;
            let explained = doctor::explained(&result);
            (vec![result], explained)
        }
        Bench::Import => {
            let results = import::run(progress, &stack, drawing)?;
            let explained = import::explained(&results);
            (results, explained)
        }
    };
    if !json {
        println!("{explained}");
    }
    results.iter().for_each(|result| println!("{result}"));
    Ok(())
}

fn register(progress: &mut Progress, stack: &Stack) -> Result<Value> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    // Every contender would wait for the disk alike, and hide in it what is its own.
    client.batch_execute("SET synchronous_commit = off")?;
    progress.step("Prepare floor and twin", || contenders::prepare(&mut client))?;
    let rounds = format!("Measure in the database, {ROUNDS} rounds of {CALLS} calls each");
    let [registrar, floor, twin] = progress.step(&rounds, || measure_interleaved(&mut client))?;
    let rates = progress.step("Measure through HTTP, 8 connections", || http::measure(stack, HTTP_ROUNDS))?;
    Ok(json!({
        "bench": "register",
        "us_per_call": rounded(registrar, 1),
        "floor_us": rounded(floor, 1),
        "plpgsql_us": rounded(twin, 1),
        "ratio_to_floor": rounded(registrar / floor, 3),
        "ratio_to_plpgsql": rounded(registrar / twin, 3),
        "http_per_second": rounded(rates.registrations, 0),
        "http_trivial_per_second": rounded(rates.trivial, 0),
        "http_share": rounded(rates.registrations / rates.trivial, 3),
        "rounds": ROUNDS,
        "calls_per_round": CALLS,
        "profile": "release",
        "postgres": stack.cluster().installation().version(),
        "gateway": stack.gateway().name(),
    }))
}

/// The library that the server has loaded says itself how it was built.
fn require_release(client: &mut Client) -> Result<()> {
    let profile: String = client.query_one("SELECT registrar.build_info() ->> 'profile'", &[])?.get(0);
    ensure!(profile == "release", "the server has loaded a {profile} build of registrar, whose speed says nothing");
    Ok(())
}

/// Medians in the order of [`Contender::ALL`]. Each round begins with another contender, so that none is always the one
/// that follows the same other.
fn measure_interleaved(client: &mut Client) -> Result<[f64; 3]> {
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for turn in 0..Contender::ALL.len() {
            let place = (round + turn) % Contender::ALL.len();
            times[place].push(Contender::ALL[place].measure(client, CALLS)?);
        }
    }
    // The tables are registrar's again, for what comes after.
    Contender::Registrar.measure(client, 1)?;
    Ok(times.map(median))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn explained(result: &Value) -> String {
    let number = |name: &str| result[name].as_f64().unwrap_or_default();
    format!(
        "\nOne registration in PostgreSQL {}, median of {ROUNDS} rounds:\n\
         {:>9.1} µs  registrar\n\
         {:>9.1} µs  the floor, bare INSERTs of the same rows: registrar takes {:.2} times that\n\
         {:>9.1} µs  the PL/pgSQL twin: registrar takes {:.2} times that\n\n\
         Through {}, 8 connections, median of {HTTP_ROUNDS} rounds:\n\
         {:>9.0} registrations per second\n\
         {:>9.0} trivial calls per second: registering reaches {:.0} % of that\n",
        result["postgres"].as_str().unwrap_or_default(),
        number("us_per_call"),
        number("floor_us"),
        number("ratio_to_floor"),
        number("plpgsql_us"),
        number("ratio_to_plpgsql"),
        result["gateway"].as_str().unwrap_or_default(),
        number("http_per_second"),
        number("http_trivial_per_second"),
        100.0 * number("http_share"),
    )
}
