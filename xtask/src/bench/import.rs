//! `cargo xtask bench import`: what a million users of another system take, against the bare statements; and how a file goes through the
//! client and the gateway.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use postgres::Client;
use registrar_tests::{Http, Role, Rpc, Stack, peak_memory};
use serde_json::{Value, json};

use super::plot;
use super::{median, require_release, rounded};
use crate::progress::Progress;

const ROWS: i32 = 1_000_000;
/// Rounds of the whole table; an odd number has a median.
const ROUNDS: usize = 3;
/// The rate is told for each of so many parts of the table.
const PARTS: i32 = 20;
/// Calls through the gateway in a round, and rows of each.
const CALLS: i32 = 20;
const ROWS_PER_CALL: i32 = 1_000;
const HTTP_ROUNDS: usize = 5;
/// The file that the client reads.
const FILE_BYTES: u64 = 1 << 30;

const EMPTY: &str = "TRUNCATE auth.users, registrar_private.user_imports, registrar_private.import_rows CASCADE";
const CONTENDERS: [(&str, &str); 2] = [
    ("ALTER TABLE auth.users ENABLE TRIGGER USER", "bench.import_registrar"),
    ("ALTER TABLE auth.users DISABLE TRIGGER USER", "bench.import_bare"),
];

/// Runs the benches, and draws the rate over the rows where there is a file to draw it in.
pub(super) fn run(progress: &mut Progress, stack: &Stack, drawing: Option<&Path>) -> Result<Vec<Value>> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    // Every contender would wait for the disk alike, and hide in it what is its own.
    client.batch_execute("SET synchronous_commit = off")?;
    progress.step("Prepare 1,000,000 rows of another system", || prepare(&mut client))?;
    let version = stack.cluster().installation().version().to_owned();
    let mut results = Vec::new();
    let step = format!("Measure {ROUNDS} rounds of {ROWS} rows");
    results.push(progress.step(&step, || whole(&mut client, &version))?);
    let rates = progress.step("Measure the rate as the tables grow", || rates(&mut client))?;
    results.push(json!({"bench": "import_rate", "rows": ROWS, "rows_per_second": rates.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
                        "last_to_first": rounded(rates[rates.len() - 1] / rates[0], 3)}));
    if let Some(path) = drawing {
        plot::rates(path, ROWS / PARTS, &rates).context("the rates cannot be drawn")?;
    }
    results.push(progress.step("Measure through HTTP", || through_http(stack, &mut client))?);
    results.push(progress.step("Send a file of 1 GiB through the client", || through_client(stack, &mut client))?);
    Ok(results)
}

fn prepare(client: &mut Client) -> Result<()> {
    client.batch_execute(
        "SELECT registrar.detach_profile_table('public.user_profiles'); SELECT registrar.create_profile_table('user_profile')",
    )?;
    // VACUUM runs in no transaction.
    let (objects, vacuum) = include_str!("import.sql").split_once("VACUUM").expect("it stands last");
    client.batch_execute(&objects.replace("$rows", &ROWS.to_string())).context("the contenders cannot be made")?;
    Ok(client.batch_execute(&format!("VACUUM{vacuum}"))?)
}

/// Microseconds for each row.
fn import(client: &mut Client, (setting, procedure): (&str, &str), first: i32, last: i32) -> Result<f64> {
    client.batch_execute(setting)?;
    client.batch_execute("CHECKPOINT")?;
    let row = client.query_one(&format!("CALL {procedure}({first}, {last}, NULL)"), &[]);
    Ok(row.with_context(|| format!("{procedure} cannot be measured"))?.get(0))
}

fn whole(client: &mut Client, version: &str) -> Result<Value> {
    let mut times = [const { Vec::new() }; 2];
    for round in 0..ROUNDS {
        for turn in 0..CONTENDERS.len() {
            let place = (round + turn) % CONTENDERS.len();
            client.batch_execute(EMPTY)?;
            times[place].push(import(client, CONTENDERS[place], 1, ROWS)?);
            let users: i64 = client
                .query_one(
                    "SELECT count(*) FROM auth.users JOIN public.user_profile AS p ON p.user_id = users.id",
                    &[],
                )?
                .get(0);
            ensure!(users == i64::from(ROWS), "{} imported {users} users", CONTENDERS[place].1);
        }
    }
    let [registrar, floor] = times.map(median);
    Ok(json!({
        "bench": "import",
        "us_per_call": rounded(registrar, 2),
        "floor_us": rounded(floor, 2),
        "ratio_to_floor": rounded(registrar / floor, 3),
        "rows_per_second": (1e6 / registrar).round(),
        "rows": ROWS,
        "rounds": ROUNDS,
        "profile": "release",
        "postgres": version,
    }))
}

/// Rows a second of each part.
fn rates(client: &mut Client) -> Result<Vec<f64>> {
    client.batch_execute(EMPTY)?;
    let part = ROWS / PARTS;
    (0..PARTS).map(|place| Ok(1e6 / import(client, CONTENDERS[0], place * part + 1, (place + 1) * part)?)).collect()
}

fn through_http(stack: &Stack, client: &mut Client) -> Result<Value> {
    wait_for(stack, "bench_insert", &json!({ "p_rows": [] }))?;
    let (mut ours, mut bulk) = (Vec::new(), Vec::new());
    for round in 0..=HTTP_ROUNDS {
        for (setting, function) in [(CONTENDERS[0].0, "import_user_rows"), (CONTENDERS[1].0, "bench_insert")] {
            client.batch_execute(EMPTY)?;
            client.batch_execute(setting)?;
            client.batch_execute("CHECKPOINT")?;
            let rate = http_rate(stack, client, function)?;
            // The first round opens connections and warms plans.
            if round > 0 {
                if function == "bench_insert" { bulk.push(rate) } else { ours.push(rate) }
            }
        }
    }
    let (ours, bulk) = (median(ours), median(bulk));
    Ok(json!({"bench": "import_http", "rows_per_second": ours.round(), "bulk_json_rows_per_second": bulk.round(),
              "share": rounded(ours / bulk, 3), "gateway": stack.gateway().name()}))
}

fn wait_for(stack: &Stack, function: &str, parameters: &Value) -> Result<()> {
    stack.reload_schema();
    let deadline = Instant::now() + Duration::from_secs(10);
    while stack.rpc(Role::ServiceRole, function, parameters).status != 200 {
        ensure!(Instant::now() < deadline, "the gateway does not see {function}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Rows a second of calls one after the other.
fn http_rate(stack: &Stack, client: &mut Client, function: &str) -> Result<f64> {
    let bodies = (0..CALLS).map(|call| {
        let rows = "SELECT jsonb_agg(jsonb_build_object('position', number, 'columns', to_jsonb(p) - 'number'))
                    FROM bench.people AS p WHERE number BETWEEN $1 AND $2";
        let (first, last) = (call * ROWS_PER_CALL + 1, (call + 1) * ROWS_PER_CALL);
        let rows: Value = client.query_one(rows, &[&first, &last])?.get(0);
        Ok(match function {
            "bench_insert" => json!({ "p_rows": rows }),
            _ => json!({ "p_source": "people", "p_mapping": "fastapi-users", "p_rows": rows, "p_begins": call == 0 }),
        })
    });
    let bodies: Vec<Value> = bodies.collect::<Result<_>>()?;
    let (http, url, key) = (Http::default(), stack.url(), stack.key(Role::ServiceRole));
    let started = Instant::now();
    for body in &bodies {
        let answer = Rpc::new(&http, &url, function).key(&key).json(body).send()?;
        ensure!(answer.status == 200, "{function} was answered {}: {}", answer.status, answer.body);
    }
    Ok(f64::from(CALLS * ROWS_PER_CALL) / started.elapsed().as_secs_f64())
}

/// Rows with a column that is left behind, so that a file is long and the import of it is not.
fn through_client(stack: &Stack, client: &mut Client) -> Result<Value> {
    client.batch_execute(EMPTY)?;
    client.batch_execute(CONTENDERS[0].0)?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("users.csv");
    let mut file = BufWriter::new(File::create(&path)?);
    let (note, mut bytes, mut rows) = ("x".repeat(20_000), 0, 0_u64);
    bytes += file.write(b"id,email,hashed_password,is_active,is_superuser,is_verified,full_name,note\n")? as u64;
    while bytes < FILE_BYTES {
        rows += 1;
        let line = format!("{rows},user{rows}@example.com,,true,false,true,Person {rows},{note}\n");
        file.write_all(line.as_bytes())?;
        bytes += line.len() as u64;
    }
    file.into_inner()?.sync_all()?;
    let started = Instant::now();
    let mut program = Command::new(registrar_tests::registrar_program()?.get_program())
        .args(["users", "import", "--preset", "fastapi-users", "--output", "json"])
        .arg(&path)
        .env("POSTGREST_URL", stack.url())
        .env("SUPABASE_SERVICE_ROLE_KEY", stack.key(Role::ServiceRole))
        .stdout(Stdio::null())
        .spawn()?;
    let (status, peak) = peak_memory(&mut program)?;
    ensure!(status.success(), "the client ended with {status}");
    Ok(
        json!({"bench": "import_client", "file_bytes": bytes, "rows": rows, "seconds": rounded(started.elapsed().as_secs_f64(), 1),
              "peak_memory_mib": rounded(peak as f64 / (1 << 20) as f64, 1)}),
    )
}

/// What the results say, for people.
pub(super) fn explained(results: &[Value]) -> String {
    let [whole, rate, http, client] = results else { return String::new() };
    format!(
        "{} rows: {} µs each, {} times the bare statements; the last of {PARTS} parts as fast as {} of the first.\n\
         Over RPC {} rows a second, {} of what bulk JSON moves.\n\
         A file of 1 GiB: {} s, and {} MiB of the client's memory at most.",
        whole["rows"],
        whole["us_per_call"],
        whole["ratio_to_floor"],
        rate["last_to_first"],
        http["rows_per_second"],
        http["share"],
        client["seconds"],
        client["peak_memory_mib"]
    )
}
