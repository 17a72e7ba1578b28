//! Calls that meet in the database at the same moment: whoever wins, the rows agree, and nobody gets a 500.

use std::collections::HashSet;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use registrar_core::{Envelope, Registration};
use registrar_tests::{Answer, Role, RowCounts, Stack, call, new_email, new_phone, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many calls meet.
const CALLS: usize = 32;

/// Lets one test at a time race, since each counts who waits, and holds what must be true after any race: no deadlock, no
/// internal error, no crash.
fn race(test: impl FnOnce(&Stack)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::shared();
    let before = (stack.cluster().crash_signs().unwrap(), deadlocks(stack), internal_errors(stack));
    test(stack);
    let after = (stack.cluster().crash_signs().unwrap(), deadlocks(stack), internal_errors(stack));
    assert_eq!(after, before);
}

fn deadlocks(stack: &Stack) -> usize {
    stack.cluster().log().unwrap().matches("deadlock detected").count()
}

/// How many calls ended as internal errors, by their reasons.
fn internal_errors(stack: &Stack) -> Vec<(String, i64)> {
    let statement = "SELECT coalesce(detail, ''), count(*) FROM registrar_private.audit_log WHERE outcome = 'internal'
                     GROUP BY detail ORDER BY detail";
    let rows = stack.admin().query(statement, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Makes all calls and holds each back at the door of `auth.users` until all stand there, each in a transaction of its
/// own; then opens it.
fn at_once<T: Send>(stack: &Stack, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut gatekeeper = stack.admin();
    let mut gate = gatekeeper.transaction().unwrap();
    gate.batch_execute("LOCK TABLE auth.users IN EXCLUSIVE MODE").unwrap();
    thread::scope(|scope| {
        let make = &make;
        let calls: Vec<_> = (0..CALLS).map(|place| scope.spawn(move || make(place))).collect();
        let arrived = wait_for_all(&mut stack.admin());
        gate.commit().unwrap();
        let results = calls.into_iter().map(|call| call.join().unwrap()).collect();
        assert_eq!(arrived, CALLS as i64, "so many calls met in the database");
        results
    })
}

/// Waits until all calls stand at the door, or for as long as that may take, and tells how many do.
fn wait_for_all(admin: &mut Client) -> i64 {
    let waiting = "SELECT count(DISTINCT pid) FROM pg_locks
                   WHERE NOT granted AND relation = 'auth.users'::regclass AND database = (
                       SELECT oid FROM pg_database WHERE datname = current_database())";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let arrived = admin.query_one(waiting, &[]).unwrap().get(0);
        if arrived >= CALLS as i64 || Instant::now() > deadline {
            return arrived;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn with_status(answers: &[Answer], status: u16) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == status).collect()
}

/// How often the statuses occur; all answers must be of these.
#[track_caller]
fn assert_statuses(answers: &[Answer], expected: &[(u16, usize)]) {
    let told: Vec<_> = expected.iter().map(|&(status, _)| (status, with_status(answers, status).len())).collect();
    let strange = answers.iter().find(|answer| !expected.iter().any(|&(status, _)| status == answer.status));
    assert_eq!(told, expected, "{strange:?}");
}

/// The places of the tokens that verify, tried one after the other.
fn working(stack: &Stack, tokens: &[String]) -> Vec<usize> {
    (0..tokens.len()).filter(|&place| stack.verify(&tokens[place]).status == 200).collect()
}

#[test]
fn one_address_registered_by_all_is_one_user_with_one_live_token() {
    race(|stack| {
        let email = new_email("one");
        let answers = at_once(stack, |_| stack.register(&json!({ "p_email": email })));
        assert_statuses(&answers, &[(201, 1), (200, CALLS - 1)]);
        let expected = RowCounts { pending_registrations: 1, ..RowCounts::ONE_UNVERIFIED };
        assert_eq!(stack.row_counts_of(&email), expected);

        let registrations: Vec<Registration> = answers.iter().map(|answer| answer.data(answer.status)).collect();
        let users: HashSet<Uuid> = registrations.iter().map(|registration| registration.user.id).collect();
        assert_eq!(users.len(), 1);
        let tokens: Vec<String> = registrations.iter().map(|registration| token_of(registration).to_owned()).collect();
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), CALLS, "every answer has a token of its own");
        assert_eq!(working(stack, &tokens).len(), 1);
    });
}

#[test]
fn one_number_with_different_addresses_is_one_user_and_conflicts() {
    race(|stack| {
        let (phone, before) = (new_phone(), stack.row_counts());
        let emails: Vec<String> = (0..CALLS).map(|_| new_email("number")).collect();
        let answers = at_once(stack, |place| stack.register(&json!({ "p_email": emails[place], "p_phone": phone })));
        assert_statuses(&answers, &[(201, 1), (409, CALLS - 1)]);
        with_status(&answers, 409).iter().for_each(|answer| drop(answer.expect_failure(409, "phone_exists")));
        for (email, answer) in emails.iter().zip(&answers) {
            let expected = if answer.status == 201 { RowCounts::ONE_UNVERIFIED } else { RowCounts::NONE };
            assert_eq!(stack.row_counts_of(email), expected);
        }
        let after = stack.row_counts();
        assert_eq!((after.users, after.identities), (before.users + 1, before.identities + 1));
        assert_eq!((after.profiles, after.tokens), (before.profiles + 1, before.tokens + 1));
    });
}

#[test]
fn one_idempotency_key_used_by_all_for_one_address_is_one_user() {
    race(|stack| {
        let (email, key) = (new_email("key"), Uuid::new_v4());
        let answers = at_once(stack, |_| stack.register(&json!({ "p_email": email, "p_idempotency_key": key })));
        assert_statuses(&answers, &[(201, 1), (200, CALLS - 1)]);
        let users: HashSet<Uuid> = answers.iter().map(|a| a.data::<Registration>(a.status).user.id).collect();
        assert_eq!(users.len(), 1);
        let expected = RowCounts { pending_registrations: 1, idempotency_keys: 1, ..RowCounts::ONE_UNVERIFIED };
        assert_eq!(stack.row_counts_of(&email), expected);
    });
}

#[test]
fn one_idempotency_key_used_by_all_for_different_addresses_is_one_user() {
    race(|stack| {
        let (key, before) = (Uuid::new_v4(), stack.row_counts());
        let answers =
            at_once(stack, |_| stack.register(&json!({ "p_email": new_email("key"), "p_idempotency_key": key })));
        assert_statuses(&answers, &[(201, 1), (400, CALLS - 1)]);
        let after = stack.row_counts();
        assert_eq!((after.users, after.identities), (before.users + 1, before.identities + 1));
        assert_eq!((after.profiles, after.tokens), (before.profiles + 1, before.tokens + 1));
    });
}

#[test]
fn one_token_verified_by_all_is_one_success() {
    race(|stack| {
        let email = new_email("token");
        let registration = stack.registered(&json!({ "p_email": email }));
        let answers = at_once(stack, |_| stack.verify(token_of(&registration)));
        assert_statuses(&answers, &[(200, 1), (401, CALLS - 1)]);
        with_status(&answers, 401).iter().for_each(|answer| drop(answer.expect_failure(401, "token_invalid")));
        assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED);
    });
}

#[test]
fn of_all_tokens_resent_at_once_one_works() {
    race(|stack| {
        let email = new_email("resent");
        stack.registered(&json!({ "p_email": email }));
        let tokens = at_once(stack, |_| stack.resent(&email).verification.token);
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), CALLS);
        assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_UNVERIFIED);
        assert_eq!(working(stack, &tokens).len(), 1);
    });
}

#[test]
fn of_all_waiting_users_who_bring_one_number_one_gets_it_and_each_is_verified() {
    race(|stack| {
        let phone = new_phone();
        let tokens: Vec<String> = (0..CALLS)
            .map(|_| {
                let email = new_email("waiting");
                stack.registered(&json!({ "p_email": email }));
                let waiting = stack.registered_again(&json!({ "p_email": email, "p_phone": phone }));
                token_of(&waiting).to_owned()
            })
            .collect();
        let verified = at_once(stack, |place| stack.verified(&tokens[place]));
        let owners = verified.iter().filter(|verified| verified.user.phone.as_deref() == Some(phone.as_str())).count();
        assert_eq!(owners, 1);
        let statement = "SELECT count(*) FROM auth.users WHERE phone = $1";
        assert_eq!(stack.admin().query_one(statement, &[&&phone[1..]]).unwrap().get::<_, i64>(0), 1);
    });
}

/// Six calls on one user: two registrations, two verifications of the first token, two resends.
const GROUP: usize = 6;
const GROUPS: usize = 6;
const ROUNDS: usize = 60;

/// Hashes that tell by whose registration a password came.
fn hash(mark: char) -> String {
    format!("$2a$05$CCCCCCCCCCCCCCCCCCCCC.{mark}5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
}

struct Round {
    email: String,
    first_token: String,
}

fn start_round(client: &mut Client) -> Round {
    let email = new_email("melee");
    let first = call(client, "register_user_with_token", &json!({ "p_email": email, "p_password_hash": hash('F') }));
    let first_token = token_in(&first).unwrap_or_else(|| panic!("a new user has a token: {first:?}"));
    Round { email, first_token }
}

fn token_in(envelope: &Envelope<Value>) -> Option<String> {
    envelope.data.as_ref()?["verification"]["token"].as_str().map(str::to_owned)
}

fn play(client: &mut Client, place: usize, round: &Round) -> Envelope<Value> {
    match place {
        0 | 1 => {
            let mark = ['A', 'B'][place];
            let parameters =
                json!({ "p_email": round.email, "p_password_hash": hash(mark), "p_metadata": {"by": mark} });
            call(client, "register_user_with_token", &parameters)
        }
        2 | 3 => call(client, "verify_email", &json!({ "p_token": round.first_token })),
        _ => call(client, "resend_verification", &json!({ "p_email": round.email })),
    }
}

/// Holds what must be true however the six calls were ordered.
fn assert_round(client: &mut Client, round: &Round, results: &[Envelope<Value>]) {
    let code = |place: usize| results[place].errors.first().map_or("ok", |error| error.code.as_str());
    let codes: Vec<_> = (0..GROUP).map(code).collect();
    let verifications = codes[2..4].iter().filter(|&&code| code == "ok").count();
    for (place, code) in codes.iter().enumerate() {
        let refusal = if (2..4).contains(&place) { "token_invalid" } else { "email_exists" };
        assert!(*code == "ok" || *code == refusal, "{codes:?}");
    }
    assert!(verifications <= 1, "{codes:?}");
    if verifications == 1 {
        // Whatever came before would have replaced the token, whatever comes after is refused.
        let others = [codes[0], codes[1], codes[4], codes[5]];
        assert_eq!(others, ["email_exists"; 4], "{codes:?}");
        assert_eq!(password_in_force(client, &round.email), hash('F'));
        return;
    }
    let tokens: Vec<_> = results.iter().map(token_in).collect();
    let verify = |place: &usize| {
        let token = tokens[*place].as_deref();
        token.is_some_and(|token| call(client, "verify_email", &json!({ "p_token": token })).success)
    };
    let working: Vec<usize> = (0..GROUP).filter(verify).collect();
    assert_eq!(working.len(), 1, "one token is live: {codes:?}");
    let password = password_in_force(client, &round.email);
    match working[0] {
        0 => assert_eq!(password, hash('A'), "the password comes with the token of its registration"),
        1 => assert_eq!(password, hash('B'), "the password comes with the token of its registration"),
        _ => assert!(password == hash('A') || password == hash('B'), "{password}"),
    }
}

fn password_in_force(client: &mut Client, email: &str) -> String {
    client.batch_execute("RESET ROLE").unwrap();
    let row = client.query_one("SELECT encrypted_password FROM auth.users WHERE email = $1", &[&email]).unwrap();
    client.batch_execute("SET ROLE service_role").unwrap();
    row.get(0)
}

/// Plays all rounds of one group.
fn play_rounds(stack: &Stack) {
    let mut clients: Vec<_> = (0..GROUP).map(|_| stack.database().connect_as(Role::ServiceRole).unwrap()).collect();
    for _ in 0..ROUNDS {
        let (round, start) = (start_round(&mut clients[0]), Barrier::new(GROUP));
        let results: Vec<_> = thread::scope(|scope| {
            let (round, start) = (&round, &start);
            let call = |(place, client)| {
                scope.spawn(move || {
                    start.wait();
                    play(client, place, round)
                })
            };
            let calls: Vec<_> = clients.iter_mut().enumerate().map(call).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        assert_round(&mut clients[0], &round, &results);
    }
}

#[test]
fn registering_verifying_and_resending_meet_on_one_user_in_any_order() {
    race(|stack| {
        let before = stack.row_counts();
        thread::scope(|scope| {
            let groups: Vec<_> = (0..GROUPS).map(|_| scope.spawn(|| play_rounds(stack))).collect();
            groups.into_iter().for_each(|group| group.join().unwrap());
        });
        let (after, rounds) = (stack.row_counts(), (GROUPS * ROUNDS) as i64);
        let expected = RowCounts {
            users: before.users + rounds,
            identities: before.identities + rounds,
            profiles: before.profiles + rounds,
            tokens: before.tokens + rounds,
            ..before
        };
        assert_eq!(after, expected, "one of each for every user, none waiting, no token alive");
    });
}
