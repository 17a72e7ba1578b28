//! The client library while the database or the gateway is down or slow, and when they come back.

use std::thread;
use std::time::{Duration, Instant};

use registrar_client::{Client, ClientBuilder, Error, NewUser, Retry};
use registrar_tests::{Role, Stack, new_email};

const PASSWORD: &str = "correct horse battery staple";
const PATIENT: Retry = Retry::times(100).pauses(Duration::from_millis(50), Duration::from_millis(100));

/// A stack whose gateway does not wait long for a database that is down.
fn own_stack() -> Stack {
    Stack::builder().unwrap().gateway_setting("PGRST_DB_POOL_TIMEOUT", "1").start().unwrap()
}

/// Waits for a call. The runtime lives no longer, since the harness has its own blocking connections.
fn wait<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

fn builder(stack: &Stack) -> ClientBuilder {
    Client::builder().postgrest_url(stack.url()).service_role_key(stack.key(Role::ServiceRole)).retry(Retry::none())
}

fn hasty(stack: &Stack) -> Client {
    builder(stack).attempt_timeout(Duration::from_millis(400)).build().unwrap()
}

/// A user whose password is hashed before anything is sent, which takes a while.
fn user(email: &str) -> NewUser {
    NewUser::new(email).password(PASSWORD)
}

/// The error of each of the three calls.
fn errors_of_all_calls(stack: &Stack, client: &Client) -> [Error; 3] {
    let (email, token) = (new_email("fault"), "t0ken".repeat(12));
    let errors = [
        wait(client.register(user(&email))).unwrap_err(),
        wait(client.verify_email(token.as_str())).unwrap_err(),
        wait(client.resend_verification(&email)).unwrap_err(),
    ];
    for error in &errors {
        let shown = format!("{error} {error:?} {}", error.hint());
        for secret in [&stack.key(Role::ServiceRole), PASSWORD, "argon2", &token] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(error.is_retryable() && error.request_id().is_some(), "{error:?}");
    }
    errors
}

/// How many users there are with the address.
fn users(stack: &Stack, email: &str) -> i64 {
    stack.row_counts_of(email).users
}

#[test]
fn a_database_that_is_down_is_unavailable_until_it_is_up() {
    let mut stack = own_stack();
    let client = builder(&stack).build().unwrap();
    wait(client.register(user(&new_email("before")))).unwrap();

    stack.cluster_mut().stop();
    for error in errors_of_all_calls(&stack, &client) {
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }

    stack.cluster_mut().start().unwrap();
    let (patient, email) = (builder(&stack).retry(PATIENT).build().unwrap(), new_email("after"));
    wait(patient.register(user(&email))).unwrap();
    assert_eq!(users(&stack, &email), 1);
}

#[test]
fn a_gateway_that_is_down_is_a_transport_error() {
    let mut stack = own_stack();
    let client = builder(&stack).build().unwrap();
    stack.gateway_mut().stop();
    for error in errors_of_all_calls(&stack, &client) {
        assert!(matches!(error, Error::Transport { connected: false, .. }), "{error:?}");
        assert!(!error.outcome_unknown(), "nothing was sent");
    }
}

#[test]
fn every_call_gets_through_when_the_gateway_comes_back() {
    let mut stack = own_stack();
    let (email, client) = (new_email("patient"), builder(&stack).retry(PATIENT).build().unwrap());
    let registration = while_the_gateway_restarts(&mut stack, client.register(NewUser::new(&email))).unwrap();
    assert_eq!(users(&stack, &email), 1);
    let resent = while_the_gateway_restarts(&mut stack, client.resend_verification(&email)).unwrap();
    assert_eq!(resent.user.id, registration.user.id);
    let verified = while_the_gateway_restarts(&mut stack, client.verify_email(resent.verification.token)).unwrap();
    assert!(verified.user.email_confirmed_at.is_some());
}

/// Makes a call while the gateway is down; it is started after the first attempts have failed.
fn while_the_gateway_restarts<T>(stack: &mut Stack, call: impl Future<Output = T>) -> T {
    stack.gateway_mut().stop();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(500));
            stack.gateway_mut().start().unwrap();
        });
        wait(call)
    })
}

#[test]
fn a_gateway_that_hangs_is_given_up_in_time() {
    let stack = own_stack();
    let client = hasty(&stack);
    stack.gateway().pause().unwrap();
    let start = Instant::now();
    for error in errors_of_all_calls(&stack, &client) {
        let Error::Timeout { connected, after, .. } = &error else { panic!("{error:?}") };
        assert!(*after >= Duration::from_millis(400) && *after < Duration::from_secs(2), "{error:?}");
        assert!(*connected && error.outcome_unknown(), "it may have arrived");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    stack.gateway().resume().unwrap();
    wait(builder(&stack).build().unwrap().register(user(&new_email("resumed")))).unwrap();
}

#[test]
fn a_registration_that_hung_is_repeated_and_makes_one_user() {
    let stack = own_stack();
    let email = new_email("hung");
    let client = builder(&stack).retry(PATIENT).attempt_timeout(Duration::from_millis(400)).build().unwrap();
    stack.gateway().pause().unwrap();
    let registration = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(1000));
            stack.gateway().resume().unwrap();
        });
        wait(client.register(NewUser::new(&email))).unwrap()
    });
    assert_eq!(users(&stack, &email), 1);
    let key_rows = stack.row_counts_of(&email).idempotency_keys;
    assert_eq!((registration.user.email.as_deref(), key_rows), (Some(email.as_str()), 1), "all attempts bore one key");
}

#[test]
fn a_database_that_hangs_is_given_up_in_time_and_the_call_can_be_repeated_by_its_key() {
    let stack = own_stack();
    let (email, client) = (new_email("locked"), hasty(&stack));
    let keyed = || user(&email).idempotency_key("locked-1");
    let mut admin = stack.admin();
    let mut lock = admin.transaction().unwrap();
    lock.batch_execute("LOCK TABLE auth.users").unwrap();
    let error = wait(client.register(keyed())).unwrap_err();
    assert!(matches!(error, Error::Timeout { connected: true, .. }), "{error:?}");
    assert!(error.outcome_unknown());
    lock.commit().unwrap();

    let registration = wait(builder(&stack).build().unwrap().register(keyed())).unwrap();
    assert_eq!(users(&stack, &email), 1);
    assert_eq!(registration.user.email.as_deref(), Some(email.as_str()));
}
