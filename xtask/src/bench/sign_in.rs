//! `cargo xtask bench sign_in`: what it costs to sign in and to know who is signed in, against the bare statements.

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use postgres::Client;
use registrar_tests::Stack;
use serde_json::Value;

use super::interleaved::{Comparison, Contender, ROUNDS};
use super::{median, require_release, rounded};
use crate::progress::Progress;

/// As cheap as argon2 can be made, 8 KiB and one pass; what that takes is measured, and is not registrar's own either.
const CHEAP_HASH: &str = "SET registrar.password_hash_memory = '8kB'; SET registrar.password_hash_passes = 1";
const USUAL_HASH: &str = "RESET registrar.password_hash_memory; RESET registrar.password_hash_passes";
/// Sign-ins without it, each of another user.
const SIGN_INS: i32 = 3_000;
/// Sign-ins with a hash of the usual cost.
const HASHES: i32 = 50;

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

const SIGN_IN: Comparison = Comparison {
    name: "sign_in",
    calls: SIGN_INS,
    before: "TRUNCATE registrar_private.attempts, registrar_private.audit_log, registrar_private.sessions CASCADE",
    contenders: &[
        Contender { name: "registrar", setting: CHEAP_HASH, call: "bench.sign_in_registrar($calls, NULL)" },
        Contender { name: "floor", setting: "", call: "bench.sign_in_bare($calls, NULL)" },
    ],
    done: Some("SELECT count(*) FROM registrar_private.refresh_tokens"),
};

/// Runs the benches.
pub(super) fn run(progress: &mut Progress, stack: &Stack) -> Result<Vec<Value>> {
    let mut client = stack.admin();
    require_release(&mut client)?;
    progress.step("Prepare 50,000 sessions", || {
        client.batch_execute(include_str!("sign_in.sql")).context("the contenders cannot be made")?;
        Ok(client.batch_execute("VACUUM ANALYZE registrar_private.sessions")?)
    })?;
    // The floor of a sign-in would wait for the disk alike, and hide in it what is registrar's own.
    client.batch_execute("SET synchronous_commit = off")?;
    let version = stack.cluster().installation().version().to_owned();
    let step = |bench: &Comparison| format!("Measure {}, {ROUNDS} rounds of {} calls each", bench.name, bench.calls);
    let mut results = Vec::new();
    for bench in COMPARISONS {
        let mut result = progress.step(&step(bench), || bench.measure(&mut client, &version))?;
        add_difference(&mut result);
        results.push(result);
    }
    progress.step("Give the users a password", || give_password(&mut client, CHEAP_HASH))?;
    let mut result = progress.step(&step(&SIGN_IN), || SIGN_IN.measure(&mut client, &version))?;
    progress.step("Measure the hashes", || take_hash_apart(&mut client, &mut result))?;
    results.push(result);
    Ok(results)
}

/// What registrar takes more than the floor.
fn add_difference(result: &mut Value) {
    let [took, floor] = ["us_per_call", "floor_us"].map(|name| result[name].as_f64().unwrap_or_default());
    result["added_us"] = rounded(took - floor, 2).into();
}

/// Takes the cheap hash off what was measured, and adds what the usual one costs.
fn take_hash_apart(client: &mut Client, result: &mut Value) -> Result<()> {
    let [with_cheap, floor] = ["us_per_call", "floor_us"].map(|name| result[name].as_f64().unwrap_or_default());
    let cheap = cheap_hash()?;
    let without = with_cheap - cheap;
    give_password(client, USUAL_HASH)?;
    let with_usual: f64 = client.query_one("CALL bench.sign_in_registrar($1, NULL)", &[&HASHES])?.get(0);
    result["us_per_call"] = rounded(without, 2).into();
    result["ratio_to_floor"] = rounded(without / floor, 3).into();
    result["cheap_hash_us"] = rounded(cheap, 2).into();
    result["hash_us"] = rounded(with_usual - without, 0).into();
    add_difference(result);
    Ok(())
}

/// Microseconds of the bare computation: less than a sign-in spends on the hash, which reads and compares it as well.
fn cheap_hash() -> Result<f64> {
    let params = argon2::Params::new(argon2::Params::MIN_M_COST, argon2::Params::MIN_T_COST, 1, None);
    let params = params.map_err(|error| anyhow!("{error}"))?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let (mut times, mut output) = (Vec::new(), [0; 32]);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..SIGN_INS {
            let hashed = argon2.hash_password_into(b"correct horse battery staple", &[7; 16], &mut output);
            hashed.map_err(|error| anyhow!("{error}"))?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(SIGN_INS));
    }
    Ok(median(times))
}

/// Gives all users a hash of the one password, at the cost that is set.
fn give_password(client: &mut Client, cost: &str) -> Result<()> {
    client.batch_execute(cost)?;
    let register = "SELECT registrar.register_user_with_token(
                        p_email => gen_random_uuid() || '@example.com', p_password => 'correct horse battery staple'
                    ) #>> '{data,user,id}'";
    let user: String = client.query_one(register, &[])?.get(0);
    let give = "UPDATE auth.users SET email_confirmed_at = now(), encrypted_password =
                    (SELECT u.encrypted_password FROM auth.users AS u WHERE u.id = $1::text::uuid)";
    client.execute(give, &[&user])?;
    Ok(client.batch_execute("VACUUM ANALYZE auth.users")?)
}
