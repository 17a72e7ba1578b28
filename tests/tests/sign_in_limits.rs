//! How often somebody may guess a password: by one address or number, and from one network address.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use postgres::Client;
use registrar_tests::{Answer, Role, Stack, call, new_email, one, plain_database};
use serde_json::json;

const PASSWORD: &str = "correct horse battery staple";
/// How many guess at once, and how often each.
const GUESSERS: usize = 25;
const GUESSES: usize = 4;

fn user() -> String {
    let (stack, email) = (Stack::shared(), new_email("limits"));
    let registration = stack.registered(&json!({ "p_email": email, "p_password": PASSWORD }));
    stack.verified(&registration.verification.unwrap().token);
    email
}

fn with(email: &str, password: &str) -> Answer {
    Stack::shared().back_end("sign_in_with_password", &json!({ "p_email": email, "p_password": password }))
}

fn retry_after(answer: &Answer) -> i64 {
    answer.header("Retry-After").expect("it says when to come again").parse().unwrap()
}

/// The attempts are those of the newest identifier that was used; moves them into the past.
fn age(seconds: i32) {
    let update = "UPDATE registrar_private.attempts SET occurred_at = occurred_at - make_interval(secs => $1)
                  WHERE identifier_hash = (SELECT identifier_hash FROM registrar_private.attempts ORDER BY id DESC LIMIT 1)";
    Stack::shared().admin().execute(update, &[&f64::from(seconds)]).unwrap();
}

/// One test at a time: each looks at the newest attempt.
fn alone(test: impl FnOnce()) {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    test();
}

#[test]
fn five_wrong_passwords_lock_an_address_for_longer_and_longer() {
    alone(|| {
        let email = user();
        for _ in 0..5 {
            with(&email, "wrong").expect_failure(401, "invalid_credentials");
        }
        for expected in [30, 60, 120, 240, 480, 900, 900] {
            let locked = with(&email, PASSWORD);
            locked.expect_failure(423, "locked");
            let left = retry_after(&locked);
            assert!((expected - 10..=expected).contains(&left), "{left} of {expected}");
            age(expected as i32);
            with(&email, "wrong").expect_failure(401, "invalid_credentials");
        }
        age(900);
        with(&email, PASSWORD).expect_success(200);
        with(&email, "wrong").expect_failure(401, "invalid_credentials");
        with(&email, PASSWORD).expect_success(200);
    });
}

#[test]
fn whoever_there_is_not_is_locked_alike() {
    alone(|| {
        let nobody = new_email("nobody");
        for _ in 0..5 {
            with(&nobody, "wrong").expect_failure(401, "invalid_credentials");
        }
        with(&nobody, "wrong").expect_failure(423, "locked");
        let another = user();
        with(&another, PASSWORD).expect_success(200);
    });
}

#[test]
fn a_hundred_guesses_at_once_count_as_five() {
    alone(|| {
        let email = user();
        let parameters = json!({ "p_email": email, "p_password": "wrong" });
        // Straight into the database: a gateway has fewer connections.
        let barrier = Barrier::new(GUESSERS);
        let codes: Vec<String> = thread::scope(|scope| {
            let guess = |_| {
                let mut client = Stack::shared().database().connect_as(Role::ServiceRole).unwrap();
                let (barrier, parameters) = (&barrier, &parameters);
                scope.spawn(move || {
                    barrier.wait();
                    let guess = |_| call(&mut client, "sign_in_with_password", parameters).errors[0].code.to_string();
                    (0..GUESSES).map(guess).collect::<Vec<_>>()
                })
            };
            let guessers: Vec<_> = (0..GUESSERS).map(guess).collect();
            guessers.into_iter().flat_map(|guesser| guesser.join().unwrap()).collect()
        });
        let count = |code: &str| codes.iter().filter(|other| *other == code).count();
        assert_eq!((count("invalid_credentials"), count("locked")), (5, GUESSERS * GUESSES - 5), "{codes:?}");
        let newest = "SELECT count(*) FROM registrar_private.attempts
                      WHERE identifier_hash = (SELECT identifier_hash FROM registrar_private.attempts ORDER BY id DESC LIMIT 1)";
        assert_eq!(
            one::<i64>(&mut Stack::shared().admin(), newest, &[]),
            5,
            "what is not answered counts as no attempt"
        );
    });
}

fn from(address: &str, email: &str, password: &str) -> Answer {
    let stack = Stack::shared();
    let request = stack.request("sign_in_with_password").key(stack.key(Role::ServiceRole));
    let request = request.json(&json!({ "p_email": email, "p_password": password }));
    request.header("X-Forwarded-For", address).send().unwrap()
}

#[test]
fn one_network_address_may_not_try_everybody() {
    alone(|| {
        let email = user();
        from("192.0.2.99", &email, "wrong").expect_failure(401, "invalid_credentials");
        let fill = "INSERT INTO registrar_private.attempts (identifier_hash, purpose, occurred_at, succeeded, address)
                    SELECT sha256(number::text::bytea), 'password', now() - interval '10 minutes', false, '192.0.2.99'
                    FROM generate_series(1, 98) AS number";
        Stack::shared().admin().execute(fill, &[]).unwrap();
        from("192.0.2.99", &new_email("nobody"), "wrong").expect_failure(401, "invalid_credentials");
        let refused = from("192.0.2.99", &email, PASSWORD);
        refused.expect_failure(429, "rate_limited");
        assert!((280..=300).contains(&retry_after(&refused)), "{}", retry_after(&refused));
        from("192.0.2.98", &email, PASSWORD).expect_success(200);
        let age = "UPDATE registrar_private.attempts SET occurred_at = occurred_at - interval '5 minutes' WHERE address = '192.0.2.99'";
        Stack::shared().admin().execute(age, &[]).unwrap();
        from("192.0.2.99", &email, PASSWORD).expect_success(200);
    });
}

/// Seconds that each of so many attempts takes, in turns.
fn times(client: &mut Client, emails: [&str; 2], attempts: usize) -> [Vec<f64>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for attempt in 0..attempts * 2 {
        let place = attempt % 2;
        let start = Instant::now();
        let answer =
            call(client, "sign_in_with_password", &json!({ "p_email": emails[place], "p_password": "wrong password" }));
        times[place].push(start.elapsed().as_secs_f64());
        assert_eq!(answer.errors[0].code.as_str(), "invalid_credentials");
        client.batch_execute("DELETE FROM registrar_private.attempts").unwrap();
    }
    times
}

#[test]
fn time_does_not_tell_whether_there_is_such_a_user() {
    let database = plain_database();
    let (_, token) = database.register("somebody@example.com");
    database.verify(&token);
    let mut client = database.admin().unwrap();
    let hash = registrar_core::Password::parse(PASSWORD.into(), &[]).unwrap().hash();
    client.execute("UPDATE auth.users SET encrypted_password = $1", &[&hash.expose()]).unwrap();
    let [known, unknown] = times(&mut client, ["somebody@example.com", "nobody@example.com"], 200);
    // How often the one takes longer than the other: half of the time where they are alike (Mann and Whitney's U).
    let longer = known.iter().map(|one| unknown.iter().filter(|other| one > other).count()).sum::<usize>();
    let share = longer as f64 / (known.len() * unknown.len()) as f64;
    assert!((0.35..=0.65).contains(&share), "a wrong password takes longer in {share} of all pairs");
}
