//! Secrets on their way through the database: not in what other sessions see of it, nor in its log, nor at rest.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use registrar_core::{OtpSent, Refreshed, SignedIn};
use registrar_tests::{Stack, all, new_email, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

/// How often everybody signs in, by each way there is.
const ROUNDS: usize = 5;

/// Signs a user in by every way, through HTTP, and returns every secret that was used or made.
fn used() -> Vec<String> {
    let stack = Stack::shared();
    let [password, wrong, changed, reset] = [(); 4].map(|()| format!("a password {}", Uuid::new_v4()));
    let email = new_email("passing");
    let registration = stack.registered(&json!({ "p_email": email, "p_password": password }));
    let verification = token_of(&registration).to_owned();
    stack.verified(&verification);
    let sign_in =
        |password: &str| stack.back_end("sign_in_with_password", &json!({ "p_email": email, "p_password": password }));
    sign_in(&wrong).expect_failure(401, "invalid_credentials");
    let signed_in: SignedIn = sign_in(&password).data(200);
    let refreshed: Refreshed =
        stack.back_end("refresh_session", &json!({ "p_refresh_token": signed_in.tokens.refresh_token })).data(200);
    let token = &refreshed.tokens.session_token;
    stack.back_end("get_session", &json!({ "p_session_token": token })).expect_success(200);
    let change = json!({ "p_session_token": token, "p_current_password": password, "p_password": changed });
    stack.back_end("change_password", &change).expect_success(200);
    let sent: OtpSent = stack.back_end("send_otp", &json!({ "p_email": email })).data(200);
    let code = sent.code.unwrap();
    let by_code: SignedIn = stack.back_end("verify_otp", &json!({ "p_email": email, "p_code": code })).data(200);
    let requested: Value = stack.back_end("request_password_reset", &json!({ "p_email": email })).data(200);
    let reset_token = requested["reset"]["token"].as_str().unwrap().to_owned();
    stack.back_end("reset_password", &json!({ "p_token": reset_token, "p_password": reset })).expect_success(200);
    let tokens = [signed_in.tokens, refreshed.tokens, by_code.tokens];
    let of_sessions = tokens.into_iter().flat_map(|tokens| [tokens.session_token, tokens.refresh_token]);
    [password, wrong, changed, reset, verification, reset_token, code].into_iter().chain(of_sessions).collect()
}

#[test]
fn no_secret_is_seen_in_other_sessions_in_the_log_or_at_rest() {
    let (stack, is_over) = (Stack::shared(), AtomicBool::new(false));
    let (secrets, seen) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = HashSet::new();
            let mut admin = stack.admin();
            while !is_over.load(Ordering::SeqCst) {
                seen.extend(all::<String>(&mut admin, "SELECT query FROM pg_stat_activity WHERE query <> ''", &[]));
            }
            seen
        });
        let secrets: Vec<String> = (0..ROUNDS).flat_map(|_| used()).collect();
        is_over.store(true, Ordering::SeqCst);
        (secrets, watcher.join().unwrap())
    });
    assert!(seen.iter().any(|query| query.contains("sign_in_with_password")), "the calls were seen at work");
    let dump = stack.database().script(&["--inserts", "--schema=registrar_private", "--schema=auth"]);
    let log = stack.cluster().log().unwrap();
    // Six digits may stand in a hash by chance; a code in a column stands between quotes.
    for secret in &secrets {
        let at_rest = if secret.len() == 6 { format!("'{secret}'") } else { secret.clone() };
        assert!(!seen.iter().any(|query| query.contains(secret.as_str())), "seen in pg_stat_activity: {secret}");
        assert!(!log.contains(secret.as_str()) && !dump.contains(&at_rest), "{secret} is in the log or at rest");
    }
}
