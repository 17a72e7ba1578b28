//! Calls on one session that meet in the database.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use registrar_core::Refreshed;
use registrar_tests::{Answer, OpenSession, Stack, one, open_session};
use serde_json::json;

const CALLS: usize = 50;
/// How many callers send one request after the other.
const STREAMS: usize = 4;

fn signed_in() -> OpenSession {
    let stack = Stack::shared();
    open_session(&mut stack.admin(), stack.new_user(&json!({})))
}

fn refresh(token: &str) -> Answer {
    Stack::shared().back_end("refresh_session", &json!({ "p_refresh_token": token }))
}

fn get(token: &str) -> Answer {
    Stack::shared().back_end("get_session", &json!({ "p_session_token": token }))
}

/// Refreshes with one token at the same moment.
fn at_once(token: &str) -> Vec<Answer> {
    let barrier = Barrier::new(CALLS);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    refresh(token)
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

fn live_tokens(session: &OpenSession) -> i64 {
    let live = "SELECT count(*) FROM registrar_private.refresh_tokens AS r
                JOIN registrar_private.sessions AS s ON s.user_id = r.user_id AND s.id = r.session_id
                WHERE s.id = $1 AND r.used_at IS NULL AND s.ended_at IS NULL";
    one(&mut Stack::shared().admin(), live, &[&session.id])
}

#[test]
fn fifty_refreshes_of_one_token_leave_one_chain() {
    let session = signed_in();
    let answers = at_once(&session.refresh_token);
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    // The first, and the one that is forgiven.
    assert_eq!(done.len(), 2, "{done:?}");
    for answer in &refused {
        answer.expect_failure(401, "token_invalid");
    }
    let tokens: Vec<_> = done.iter().map(|answer| answer.data::<Refreshed>(200).tokens).collect();
    refresh(&tokens[0].refresh_token).expect_success(200);
    assert_eq!(live_tokens(&session), 1, "the other of the two is used up with it");
}

#[test]
fn a_replay_by_many_after_the_grace_period_leaves_none() {
    let session = signed_in();
    refresh(&session.refresh_token).expect_success(200);
    let update = "UPDATE registrar_private.refresh_tokens SET used_at = now() - '1 minute'::interval
                  WHERE session_id = $1 AND used_at IS NOT NULL";
    Stack::shared().admin().execute(update, &[&session.id]).unwrap();
    for answer in at_once(&session.refresh_token) {
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    assert_eq!(live_tokens(&session), 0);
}

#[test]
fn a_logout_ends_a_running_stream_of_requests() {
    let (stack, session) = (Stack::shared(), signed_in());
    let (is_over, running) = (AtomicBool::new(false), Barrier::new(STREAMS + 1));
    thread::scope(|scope| {
        let stream = || {
            get(&session.session_token).expect_success(200);
            running.wait();
            loop {
                // Read before the request is sent: whatever begins after the logout was answered must be refused.
                let was_over = is_over.load(Ordering::SeqCst);
                let answer = get(&session.session_token);
                if was_over {
                    answer.expect_failure(401, "session_expired");
                    return;
                }
                assert!([200, 401].contains(&answer.status), "{}", answer.body);
            }
        };
        let streams: Vec<_> = (0..STREAMS).map(|_| scope.spawn(stream)).collect();
        running.wait();
        stack.back_end("logout", &json!({ "p_session_token": session.session_token })).expect_success(200);
        is_over.store(true, Ordering::SeqCst);
        streams.into_iter().for_each(|stream| stream.join().unwrap());
    });
}
