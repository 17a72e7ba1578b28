//! Sessions that the client keeps valid: one refresh for however many ask.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use registrar_client::{
    Client, CodePurpose, Error, ErrorCode, ExposeSecret, LogoutScope, OtpProof, PasswordChange, Recipient,
    SessionKeeper, SignIn, SignedIn,
};
use registrar_tests::{Role, Stack, new_email, one, token_of};
use serde_json::json;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
const CALLERS: usize = 50;

fn client() -> Client {
    let stack = Stack::shared();
    Client::builder().postgrest_url(stack.url()).service_role_key(stack.key(Role::ServiceRole)).build().unwrap()
}

/// Waits for what several tasks do. The runtime lives no longer, since the harness has its own blocking connections.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap().block_on(work)
}

fn user() -> (Uuid, String) {
    let (stack, email) = (Stack::shared(), new_email("keeper"));
    let registration = stack.registered(&json!({ "p_email": email, "p_password": PASSWORD }));
    stack.verified(token_of(&registration));
    (registration.user.id, email)
}

fn signed_in() -> (Uuid, SignedIn) {
    let (user, email) = user();
    (user, wait(client().sign_in(SignIn::with_email(email, PASSWORD))).unwrap())
}

/// A session whose tokens are about to expire, as the client sees it.
fn expiring() -> (Uuid, SessionKeeper, String) {
    let (user, signed_in) = signed_in();
    let mut tokens = signed_in.tokens;
    tokens.session_token_expires_at = Utc::now() + TimeDelta::seconds(5);
    let before = tokens.session_token.clone();
    (user, client().keep_session(tokens), before)
}

fn refreshes(user: Uuid) -> i64 {
    let query = "SELECT count(*) FROM registrar_private.audit_log WHERE user_id = $1 AND action = 'refresh_session'";
    one(&mut Stack::shared().admin(), query, &[&user])
}

#[test]
fn fifty_who_ask_at_once_share_one_refresh() {
    let (user, keeper, before) = expiring();
    let renewals = keeper.renewals();
    let tokens = wait(async {
        let barrier = Arc::new(tokio::sync::Barrier::new(CALLERS));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (keeper, barrier) = (keeper.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    keeper.session_token().await.unwrap().expose_secret().to_owned()
                })
            })
            .collect();
        let mut tokens = Vec::new();
        for caller in callers {
            tokens.push(caller.await.unwrap());
        }
        tokens
    });
    assert_eq!(refreshes(user), 1);
    assert!(tokens.iter().all(|token| *token == tokens[0] && *token != before));
    assert!(renewals.has_changed().unwrap());
    assert_eq!(renewals.borrow().session_token, tokens[0], "whoever stores the tokens is told of them");
    wait(client().get_session(tokens[0].as_str())).unwrap();
}

#[test]
fn a_token_that_lasts_is_given_without_asking() {
    let (user, signed_in) = signed_in();
    let keeper = client().keep_session(signed_in.tokens.clone());
    let token = wait(keeper.session_token()).unwrap();
    assert_eq!(token.expose_secret(), signed_in.tokens.session_token);
    assert!(wait(keeper.access_token()).unwrap().is_none(), "the database signs none");
    assert_eq!(refreshes(user), 0);
    wait(keeper.refresh()).unwrap();
    assert_eq!(refreshes(user), 1);
    assert_ne!(wait(keeper.session_token()).unwrap().expose_secret(), token.expose_secret());
}

#[test]
fn a_session_that_has_ended_ends_for_all_and_is_not_asked_about_again() {
    let (user, keeper, _) = expiring();
    Stack::shared().back_end("logout", &json!({ "p_scope": "all", "p_user_id": user })).expect_success(200);
    for _ in 0..3 {
        let error = wait(keeper.session_token()).unwrap_err();
        assert!(matches!(error, Error::Api { code: ErrorCode::SessionExpired, .. }), "{error:?}");
    }
    assert!(wait(keeper.access_token()).is_err() && wait(keeper.refresh()).is_err());
    assert_eq!(refreshes(user), 1, "it is refused once");
}

#[test]
fn a_refresh_goes_on_where_its_caller_no_longer_waits() {
    let (user, keeper, before) = expiring();
    wait(async {
        // As when a request is cut off: asked, and dropped before the answer.
        let asked = tokio::time::timeout(std::time::Duration::from_micros(50), keeper.session_token()).await;
        let mut renewals = keeper.renewals();
        if asked.is_err() {
            renewals.wait_for(|tokens| tokens.session_token != before).await.unwrap();
        }
        keeper.refresh().await.unwrap();
    });
    assert_eq!(refreshes(user), 2, "no answer was lost, else the second would be a replay");
}

#[test]
fn what_fails_for_now_is_tried_again_with_the_next_caller() {
    let (_, signed_in) = signed_in();
    let mut stack = Stack::start().unwrap();
    let elsewhere = Client::builder()
        .postgrest_url(stack.url())
        .service_role_key(stack.key(Role::ServiceRole))
        .retry(registrar_client::Retry::none())
        .build()
        .unwrap();
    let mut tokens = signed_in.tokens;
    tokens.session_token_expires_at = Utc::now();
    let keeper = elsewhere.keep_session(tokens);
    stack.gateway_mut().stop();
    let error = wait(keeper.session_token()).unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    stack.gateway_mut().start().unwrap();
    let error = wait(keeper.session_token()).unwrap_err();
    assert!(matches!(error, Error::Api { code: ErrorCode::TokenInvalid, .. }), "it was asked again: {error:?}");
}

#[test]
fn codes_and_passwords_through_the_client() {
    let ((user, email), client) = (user(), client());
    let to = Recipient::email(&email);
    let sent = wait(client.send_otp(&to, CodePurpose::SignIn)).unwrap();
    let proof = OtpProof::new(to.clone(), sent.code.unwrap()).device_name("laptop");
    let signed_in = wait(client.verify_otp(proof.clone())).unwrap();
    assert_eq!((signed_in.user.id, signed_in.session.device_name.as_deref()), (user, Some("laptop")));
    let code = |error: Error| error.code();
    assert_eq!(code(wait(client.verify_otp(proof)).unwrap_err()), "otp_expired");
    let too_soon = wait(client.send_otp(&to, CodePurpose::SignIn)).unwrap_err();
    assert!(too_soon.retry_after().is_some_and(|wait| wait.as_secs() > 50), "{too_soon:?}");

    let token = signed_in.tokens.session_token.as_str();
    let changed = wait(client.change_password(PasswordChange::within(token, "another horse"))).unwrap();
    assert_eq!(changed.user.id, user);
    let mistyped = PasswordChange::within(token, "a third horse").current(PASSWORD);
    assert_eq!(code(wait(client.change_password(mistyped)).unwrap_err()), "invalid_credentials");
    let weak = wait(client.change_password(PasswordChange::within(token, "1234567"))).unwrap_err();
    let Error::Api { errors, request_id: None, .. } = &weak else { panic!("nothing is sent: {weak:?}") };
    assert_eq!(errors.len(), 2);

    let reset = wait(client.request_password_reset(&email)).unwrap().reset.unwrap();
    let ended = wait(client.reset_password(reset.token, "a fourth horse")).unwrap();
    assert_eq!(ended.sessions_ended, 1);
    let keeper = client.keep_session(wait(client.sign_in(SignIn::with_email(email, "a fourth horse"))).unwrap().tokens);
    assert_eq!(wait(keeper.logout(LogoutScope::All)).unwrap().ended, 1);
}
