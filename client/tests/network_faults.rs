//! What the client does when the network fails: how often it tries, when it gives up, and what it says.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use registrar_client::{Client, ClientBuilder, Error, NewUser, Retry};

const SHORT: Duration = Duration::from_millis(100);

/// A peer that accepts connections and then fails.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Hangs up as soon as the request has begun.
    fn that_hangs_up() -> Self {
        Self::start(|stream| {
            use std::io::Read;
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1]);
        })
    }

    /// Keeps the connection and says nothing.
    fn that_is_silent() -> Self {
        Self::start(std::mem::forget)
    }

    fn start(fail: fn(std::net::TcpStream)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                fail(stream);
            }
        });
        Self { address, connections }
    }

    fn client(&self) -> ClientBuilder {
        client(&format!("http://{}", self.address))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn client(address: &str) -> ClientBuilder {
    Client::builder().postgrest_url(address).service_role_key("key").attempt_timeout(SHORT).retry(quick(2))
}

fn quick(times: usize) -> Retry {
    Retry::times(times).pauses(Duration::from_millis(1), Duration::from_millis(2))
}

fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn user() -> NewUser {
    NewUser::new("user@example.com")
}

#[tokio::test]
async fn a_registration_is_repeated_when_the_connection_breaks() {
    let peer = Peer::that_hangs_up();
    let error = peer.client().build().unwrap().register(user()).await.unwrap_err();
    assert!(matches!(error, Error::Transport { connected: true, .. }), "{error:?}");
    assert!(error.outcome_unknown() && error.is_retryable());
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_verification_that_may_have_arrived_is_not_repeated() {
    let peer = Peer::that_hangs_up();
    let error = peer.client().build().unwrap().verify_email("token").await.unwrap_err();
    assert!(matches!(error, Error::Transport { connected: true, .. }), "{error:?}");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_resend_that_may_have_arrived_is_not_repeated() {
    let peer = Peer::that_hangs_up();
    peer.client().build().unwrap().resend_verification("user@example.com").await.unwrap_err();
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn without_retries_nothing_is_repeated() {
    let peer = Peer::that_hangs_up();
    peer.client().retry(Retry::none()).build().unwrap().register(user()).await.unwrap_err();
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn silence_ends_each_attempt_and_a_registration_is_repeated() {
    let peer = Peer::that_is_silent();
    let start = Instant::now();
    let error = peer.client().build().unwrap().register(user()).await.unwrap_err();
    let Error::Timeout { connected: true, after, .. } = error else { panic!("{error:?}") };
    assert!((SHORT..SHORT * 5).contains(&after), "{after:?}");
    assert_eq!(peer.connections(), 3);
    assert!(start.elapsed() >= SHORT * 3);
}

#[tokio::test]
async fn the_whole_call_ends_in_time_however_many_attempts_are_left() {
    let peer = Peer::that_is_silent();
    let start = Instant::now();
    let client = peer.client().retry(quick(1000)).timeout(SHORT * 3).build().unwrap();
    let error = client.register(user()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(start.elapsed() < SHORT * 10, "{:?}", start.elapsed());
    // The third would have been cut short.
    assert!(peer.connections() <= 2, "{}", peer.connections());
}

#[tokio::test]
async fn one_attempt_never_outlives_the_whole_call() {
    let peer = Peer::that_is_silent();
    let client = peer.client().attempt_timeout(Duration::from_secs(600)).timeout(SHORT).build().unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), client.verify_email("token")).await;
    assert!(matches!(answer, Ok(Err(Error::Timeout { connected: true, .. }))), "{answer:?}");
}

#[tokio::test]
async fn where_no_connection_is_made_even_a_verification_is_repeated() {
    // A TLS handshake that never ends is a connection that is never made.
    let peer = Peer::that_is_silent();
    let client = client(&format!("https://{}", peer.address))
        .attempt_timeout(Duration::from_secs(10))
        .connect_timeout(SHORT)
        .build()
        .unwrap();
    let error = client.verify_email("token").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { connected: false, .. }), "{error:?}");
    assert!(!error.outcome_unknown());
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_refused_connection_is_told_with_its_cause() {
    let address = closed_port();
    let error = client(&address).build().unwrap().verify_email("token").await.unwrap_err();
    assert!(matches!(error, Error::Transport { connected: false, .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("The server at {address} cannot be reached"));
    let mut source = std::error::Error::source(&error);
    let mut chain = String::new();
    while let Some(cause) = source {
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    assert!(chain.contains("refused"), "{chain}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_no_connection() {
    let error = client("http://registrar.invalid").build().unwrap().verify_email("token").await.unwrap_err();
    assert!(matches!(error, Error::Transport { connected: false, .. }), "{error:?}");
}
