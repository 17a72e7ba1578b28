//! Guesses and uses of one code that meet in the database.

use std::sync::Barrier;
use std::thread;

use registrar_tests::{Role, Stack, call, new_email, one, token_of};
use serde_json::{Value, json};

/// Callers at once, and how often each calls.
const CALLERS: usize = 25;
const CALLS: usize = 4;

/// A user who was sent a code.
fn sent() -> (String, String) {
    let (stack, email) = (Stack::shared(), new_email("otp-race"));
    stack.verified(token_of(&stack.registered(&json!({ "p_email": email }))));
    let sent: Value = stack.back_end("send_otp", &json!({ "p_email": email })).data(200);
    (email, sent["code"].as_str().unwrap().to_owned())
}

/// The outcome of calls made at the same moment, straight into the database: a gateway has fewer connections.
fn at_once(function: &str, parameters: &Value) -> Vec<String> {
    let barrier = Barrier::new(CALLERS);
    thread::scope(|scope| {
        let caller = |_| {
            let mut client = Stack::shared().database().connect_as(Role::ServiceRole).unwrap();
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let outcome = |_| {
                    let answer = call(&mut client, function, parameters);
                    answer.errors.first().map_or_else(|| "ok".to_owned(), |error| error.code.to_string())
                };
                (0..CALLS).map(outcome).collect::<Vec<_>>()
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(caller).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

fn count(outcomes: &[String], outcome: &str) -> usize {
    outcomes.iter().filter(|other| *other == outcome).count()
}

#[test]
fn a_hundred_guesses_at_once_count_as_five() {
    let (email, code) = sent();
    let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
    let outcomes = at_once("verify_otp", &json!({ "p_email": email, "p_code": wrong }));
    let counts = (count(&outcomes, "invalid_credentials"), count(&outcomes, "otp_expired"));
    assert_eq!(counts, (5, CALLERS * CALLS - 5), "{outcomes:?}");
}

#[test]
fn a_code_opens_one_session_however_many_show_it() {
    let (email, code) = sent();
    let outcomes = at_once("verify_otp", &json!({ "p_email": email, "p_code": code }));
    assert_eq!((count(&outcomes, "ok"), count(&outcomes, "otp_expired")), (1, CALLERS * CALLS - 1), "{outcomes:?}");
    let opened = "SELECT count(*) FROM registrar_private.sessions AS s JOIN auth.users AS u ON u.id = s.user_id WHERE u.email = $1";
    assert_eq!(one::<i64>(&mut Stack::shared().admin(), opened, &[&email]), 1);
}

#[test]
fn of_a_hundred_requests_for_a_code_one_is_sent() {
    let (stack, email) = (Stack::shared(), new_email("otp-flood"));
    stack.verified(token_of(&stack.registered(&json!({ "p_email": email }))));
    let outcomes = at_once("send_otp", &json!({ "p_email": email }));
    assert_eq!((count(&outcomes, "ok"), count(&outcomes, "rate_limited")), (1, CALLERS * CALLS - 1), "{outcomes:?}");
}
