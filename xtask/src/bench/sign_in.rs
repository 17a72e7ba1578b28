//! `cargo xtask bench sign-in`: what it costs to sign in and to know who is signed in, against the bare statements.

use anyhow::{Context, Result};
use postgres::Client;
use registrar_tests::Stack;
use serde_json::Value;

use super::interleaved::{Comparison, Contender, ROUNDS};
use super::{require_release, rounded};
use crate::progress::Progress;

/// As cheap as argon2 can be made: what is left is registrar's own.
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
    Comparison {
        name: "sign_in",
        calls: SIGN_INS,
        before: "TRUNCATE registrar_private.attempts, registrar_private.audit_log, registrar_private.sessions CASCADE",
        contenders: &[
            Contender { name: "registrar", setting: CHEAP_HASH, call: "bench.sign_in_registrar($calls, NULL)" },
            Contender { name: "floor", setting: "", call: "bench.sign_in_bare($calls, NULL)" },
        ],
        done: Some("SELECT count(*) FROM registrar_private.refresh_tokens"),
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
    // The floor of a sign-in would wait for the disk alike, and hide in it what is registrar's own.
    client.batch_execute("SET synchronous_commit = off")?;
    let version = stack.cluster().installation().version().to_owned();
    let mut results = Vec::new();
    for bench in COMPARISONS {
        if bench.name == "sign_in" {
            progress.step("Give the users a password", || give_password(&mut client, CHEAP_HASH))?;
        }
        let step = format!("Measure {}, {ROUNDS} rounds of {} calls each", bench.name, bench.calls);
        let mut result = progress.step(&step, || bench.measure(&mut client, &version))?;
        let [took, floor] = ["us_per_call", "floor_us"].map(|name| result[name].as_f64().unwrap_or_default());
        result["added_us"] = rounded(took - floor, 2).into();
        if bench.name == "sign_in" {
            let with = progress.step("Measure the hash", || {
                give_password(&mut client, USUAL_HASH)?;
                Ok(client.query_one("CALL bench.sign_in_registrar($1, NULL)", &[&HASHES])?.get::<_, f64>(0))
            })?;
            result["hash_us"] = rounded(with - took, 0).into();
        }
        results.push(result);
    }
    Ok(results)
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
