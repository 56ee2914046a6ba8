//! What nobody well-meaning sends.

#![expect(clippy::expect_used, reason = "a test that cannot go on says what it expected")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tollgate_agi::client::Call;
use tollgate_agi::command::{GetVariable, SetVariable};
use tollgate_agi::server::{Counters, ServeError};
use tollgate_agi::session::Wait;
use tollgate_agi::{AllowList, Key, Limits, Server, Session, SessionError, SessionLimits};

fn call() -> Call {
    Call::new("agi://127.0.0.1:4573/authorize").args(["alice", "4930123456"])
}

fn peer() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

/// A session over memory, its environment given, and the other end.
async fn session(limits: SessionLimits) -> (Session<DuplexStream>, DuplexStream) {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(&call().environment_bytes()).await.expect("room");
    (Session::open(near, peer(), limits).await.expect("clean"), far)
}

async fn open(bytes: &[u8]) -> Result<Session<DuplexStream>, SessionError> {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(bytes).await.expect("room");
    let opened = Session::open(near, peer(), SessionLimits::default()).await;
    drop(far);
    opened
}

const SET: SetVariable<'static> = SetVariable { name: "A", value: "1" };

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_cut_at_the_deadline() {
    let (near, mut far) = duplex(1024);
    let dripping = tokio::spawn(async move {
        for byte in call().environment_bytes() {
            if far.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = tokio::time::Instant::now();
    let error = Session::open(near, peer(), SessionLimits::default()).await.expect_err("too slow");
    assert!(matches!(error, SessionError::TimedOut(Wait::Line)), "{error}");
    assert_eq!(start.elapsed(), SessionLimits::default().line);
    dripping.await.expect("it was cut off");
}

#[tokio::test(start_paused = true)]
async fn lines_in_time_do_not_buy_more_than_the_whole_deadline() {
    let (near, mut far) = duplex(1024);
    let dripping = tokio::spawn(async move {
        for line in String::from_utf8(call().environment_bytes()).expect("ASCII").split_inclusive('\n') {
            if far.write_all(line.as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    let start = tokio::time::Instant::now();
    let error = Session::open(near, peer(), SessionLimits::default()).await.expect_err("too slow");
    assert!(matches!(error, SessionError::TimedOut(Wait::Environment)), "{error}");
    assert_eq!(start.elapsed(), SessionLimits::default().environment);
    dripping.await.expect("it was cut off");
}

#[tokio::test(start_paused = true)]
async fn silence_is_cut_before_and_after_the_environment() {
    let (near, far) = duplex(1024);
    let error = Session::open(near, peer(), SessionLimits::default()).await.expect_err("silent");
    assert!(matches!(error, SessionError::TimedOut(Wait::Line)), "{error}");
    drop(far);

    let (mut session, far) = session(SessionLimits::default()).await;
    let start = tokio::time::Instant::now();
    let error = session.send(&SET).await.expect_err("silent");
    assert!(matches!(error, SessionError::TimedOut(Wait::Reply)), "{error}");
    assert_eq!(start.elapsed(), SessionLimits::default().reply);
    assert!(matches!(session.send(&SET).await, Err(SessionError::OutOfStep)), "the reply may still come");
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn the_whole_session_has_a_deadline() {
    let (mut session, mut far) = session(SessionLimits::default()).await;
    let answering = tokio::spawn(async move {
        let mut command = [0; 64];
        while far.read(&mut command).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(1_900)).await;
            let _ = far.write_all(b"200 result=1\n").await;
        }
    });
    let start = tokio::time::Instant::now();
    let error = loop {
        if let Err(error) = session.send(&SET).await {
            break error;
        }
    };
    assert!(matches!(error, SessionError::TimedOut(Wait::Session)), "{error}");
    assert_eq!(start.elapsed(), SessionLimits::default().session);
    drop(session);
    answering.await.expect("it was closed");
}

#[tokio::test]
async fn an_endless_environment_is_refused() {
    let lines = "agi_network: yes\n".to_owned() + &"agi_network: yes\n".repeat(3_000);
    assert!(matches!(open(lines.as_bytes()).await, Err(SessionError::Environment(_))));
    assert!(matches!(open(&vec![b'a'; 60_000]).await, Err(SessionError::LineTooLong { .. })));
    let arguments: Vec<String> = (1..3_000).map(|n| format!("agi_arg_{n}: x")).collect();
    let environment = String::from_utf8(Call::new("agi://h/x").environment_bytes()).expect("ASCII");
    let endless = environment.trim_end().to_owned() + "\n" + &arguments.join("\n");
    assert!(matches!(open(endless.as_bytes()).await, Err(SessionError::Environment(_))));
}

#[tokio::test]
async fn binary_is_refused() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"[..],
        b"\0\0\0\0\n",
        b"GET / HTTP/1.1\r\n",
        b"\xff\n",
    ] {
        assert!(matches!(open(bytes).await, Err(SessionError::Environment(_))), "{bytes:?}");
    }
}

#[tokio::test]
async fn an_environment_cut_anywhere_is_no_environment() {
    let whole = call().environment_bytes();
    for end in 0..whole.len() {
        let (near, mut far) = duplex(4096);
        far.write_all(&whole[..end]).await.expect("room");
        drop(far);
        let error = Session::open(near, peer(), SessionLimits::default()).await.expect_err("incomplete");
        assert!(matches!(error, SessionError::Closed), "cut at {end}: {error}");
    }
}

#[tokio::test]
async fn an_environment_split_anywhere_is_the_same() {
    let whole = call().environment_bytes();
    for at in 0..=whole.len() {
        let (near, mut far) = duplex(4096);
        let (first, second) = whole.split_at(at);
        far.write_all(first).await.expect("room");
        let opening = tokio::spawn(Session::open(near, peer(), SessionLimits::default()));
        tokio::task::yield_now().await;
        far.write_all(second).await.expect("room");
        let session = opening.await.expect("no panic").expect("clean");
        assert_eq!(session.environment().arg(2), Some("4930123456"), "split at {at}");
    }
}

#[tokio::test]
async fn a_reply_that_lies_there_before_any_command_ends_the_session() {
    for planted in
        ["200 result=1\n", "200 result=1", "agi_priority: 1\n", "\n", "HANGUP\n200 result=1\n", "HAN\n", "x"]
    {
        let (mut session, mut far) = session(SessionLimits::default()).await;
        far.write_all(planted.as_bytes()).await.expect("room");
        let error = session.send(&SET).await.expect_err("planted");
        assert!(matches!(error, SessionError::Unsolicited), "{planted:?}: {error}");
        assert!(matches!(session.send(&SET).await, Err(SessionError::OutOfStep)), "and it stays ended");
        drop(session);
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await.expect("memory");
        assert!(sent.is_empty(), "{planted:?}: nothing was sent");
    }
}

#[tokio::test]
async fn replies_planted_through_the_extension_end_the_session() {
    // The dialled number forges all lines that follow it, the end and a reply; Asterisk's own lines come after.
    let forged = call().with(
        Key::Extension,
        "6\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: V\nagi_threadid: 1\n\n200 result=1",
    );
    let mut session = open(&forged.environment_bytes()).await.expect("complete, as far as it can be told");
    assert_eq!(session.environment().arg(1), None, "no argument could be forged in 80 characters");
    assert!(matches!(session.send(&SET).await, Err(SessionError::Unsolicited)));
}

#[tokio::test]
async fn one_reply_too_many_ends_the_session() {
    let (mut session, mut far) = session(SessionLimits::default()).await;
    far.write_all(b"").await.expect("room");
    let answering = tokio::spawn(async move {
        let mut command = [0; 64];
        let _ = far.read(&mut command).await;
        far.write_all(b"200 result=1\n200 result=1\n").await.expect("room");
        far
    });
    session.send(&SET).await.expect("the first reply is its own");
    assert!(matches!(session.send(&SET).await, Err(SessionError::Unsolicited)));
    drop(answering.await.expect("no panic"));
}

#[tokio::test]
async fn what_is_no_reply_ends_the_session() {
    for line in
        ["200 OK\n", "agi_priority: 1\n", "\n", "\0\n", "200 result=1\r\n", "\u{fffd}\n", "520-\n\0\n"]
    {
        let (mut session, mut far) = session(SessionLimits::default()).await;
        let answering = tokio::spawn(async move {
            let mut command = [0; 64];
            let _ = far.read(&mut command).await;
            let _ = far.write_all(line.as_bytes()).await;
            far
        });
        let error = session.send(&GetVariable { name: "A" }).await.expect_err("no reply");
        assert!(matches!(error, SessionError::Reply(_)), "{line:?}: {error}");
        assert!(matches!(session.send(&SET).await, Err(SessionError::OutOfStep)));
        drop(answering.await.expect("no panic"));
    }
}

#[tokio::test]
async fn a_hangup_before_or_between_replies_is_only_remembered() {
    for before in ["", "HANGUP\n", "HANG", "HANGUP\nHANGUP\n"] {
        let (mut session, mut far) = session(SessionLimits::default()).await;
        far.write_all(before.as_bytes()).await.expect("room");
        let rest = if before == "HANG" { "UP\n200 result=1\n" } else { "HANGUP\n200 result=1\n" };
        let answering = tokio::spawn(async move {
            let mut command = [0; 64];
            let _ = far.read(&mut command).await;
            far.write_all(rest.as_bytes()).await.expect("room");
            far
        });
        session.send(&SET).await.expect("set all the same");
        assert!(session.is_hung_up());
        drop(answering.await.expect("no panic"));
    }
}

/// A server whose handler sets one variable; its address, counters, number of handlers run, and how to stop it.
struct Running {
    address: SocketAddr,
    counters: Arc<Counters>,
    handled: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn start(limits: Limits, allow: AllowList) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let handled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&handled);
        let answer = move |mut session: Session| {
            let count = Arc::clone(&count);
            async move {
                if session.environment().arg(1) == Some("nodelay") {
                    assert_eq!(session.get_ref().nodelay().ok(), Some(true), "inherited from the listener");
                }
                assert_ne!(session.environment().arg(1), Some("panic"), "told to");
                if session.send(&SetVariable { name: "A", value: "1" }).await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let server = Server::new(limits, allow);
        let counters = server.counters();
        let serving = tokio::spawn(server.serve(listener, answer, async { drop(stopped.await) }));
        Self { address, counters, handled, stop, serving }
    }

    async fn loopback() -> Self {
        Self::start(Limits::default(), AllowList::loopback()).await
    }

    async fn stop(self) -> Result<(), ServeError> {
        drop(self.stop);
        self.serving.await.expect("not cancelled")
    }

    /// A call that must succeed.
    async fn call(&self) {
        let outcome = call().run(self.address).await.expect("played");
        assert_eq!(outcome.variable("A"), Some("1"));
    }
}

/// Closes with a reset instead of an end.
fn reset(stream: TcpStream) {
    let stream = stream.into_std().expect("a socket");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
    drop(stream);
}

#[tokio::test]
async fn a_reset_at_any_point_harms_nobody_else() {
    let server = Running::loopback().await;
    let whole = call().environment_bytes();
    for end in (0..=whole.len()).step_by(7).chain([whole.len()]) {
        let mut stream = TcpStream::connect(server.address).await.expect("listening");
        stream.write_all(&whole[..end]).await.expect("connected");
        if end == whole.len() {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.expect("the command begins");
        }
        reset(stream);
    }
    server.call().await;
    server.stop().await.expect("no handler panicked");
}

#[tokio::test]
async fn a_slow_connection_is_closed_and_others_are_served_meanwhile() {
    let server = Running::loopback().await;
    let start = Instant::now();
    let mut slow = TcpStream::connect(server.address).await.expect("listening");
    slow.write_all(b"agi_net").await.expect("connected");
    server.call().await;
    assert!(start.elapsed() < Duration::from_millis(400), "the slow one was not waited for");
    let mut nothing = Vec::new();
    slow.read_to_end(&mut nothing).await.expect("closed in order or not at all");
    assert!(nothing.is_empty());
    assert!(start.elapsed() < Duration::from_secs(2), "cut at its deadline");
    assert_eq!(server.counters.refused_environment(), 1);
    server.stop().await.expect("no handler panicked");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_closed_at_once() {
    let server = Running::start(Limits::default(), AllowList::default()).await;
    let outcome = call().run(server.address).await.expect("connected");
    assert_eq!((outcome.commands, outcome.variable("A")), (0, None));
    assert_eq!((server.counters.refused_address(), server.counters.accepted()), (1, 0));
    server.stop().await.expect("no handler panicked");
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_the_place_comes_free_again() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Running::start(limits, AllowList::loopback()).await;
    let first = TcpStream::connect(server.address).await.expect("listening");
    while server.counters.accepted() == 0 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    let mut second = TcpStream::connect(server.address).await.expect("listening");
    assert_eq!(second.read(&mut [0; 8]).await.expect("closed in order"), 0);
    assert!(start.elapsed() < Duration::from_millis(300), "not left in the queue");
    assert_eq!(server.counters.refused_full(), 1);
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.handled.load(Ordering::SeqCst) == 0 && Instant::now() < deadline {
        let outcome = call().run(server.address).await.expect("connected");
        assert!(outcome.commands <= 1);
    }
    assert_eq!(server.handled.load(Ordering::SeqCst), 1);
    server.stop().await.expect("no handler panicked");
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_has_begun() {
    let server = Running::loopback().await;
    let mut stream = TcpStream::connect(server.address).await.expect("listening");
    stream.write_all(&call().environment_bytes()).await.expect("connected");
    let mut command = vec![0; b"SET VARIABLE A \"1\"\n".len()];
    stream.read_exact(&mut command).await.expect("the command");
    let (address, handled) = (server.address, Arc::clone(&server.handled));
    let stopping = tokio::spawn(server.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "it waits for the session under way");
    stream.write_all(b"200 result=1\n").await.expect("still connected");
    stopping.await.expect("no panic").expect("no handler panicked");
    assert_eq!(handled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connections_have_nodelay_from_their_listener() {
    let server = Running::loopback().await;
    // The first one may have been in the queue before the server began.
    server.call().await;
    let outcome = Call::new("agi://h/x").arg("nodelay").run(server.address).await.expect("connected");
    assert_eq!(outcome.variable("A"), Some("1"));
    server.stop().await.expect("the handler found it set");
}

#[tokio::test]
async fn a_panicking_handler_ends_the_server() {
    let server = Running::loopback().await;
    let outcome = Call::new("agi://h/x").arg("panic").run(server.address).await.expect("connected");
    assert_eq!(outcome.variable("A"), None);
    assert_eq!(server.serving.await.expect("not cancelled"), Err(ServeError::HandlerPanicked));
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_all_answered() {
    let server = Running::loopback().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let address = server.address;
        calls.spawn(async move { call().run(address).await });
    }
    while let Some(outcome) = calls.join_next().await {
        let outcome = outcome.expect("no panic").expect("played");
        assert_eq!(outcome.variable("A"), Some("1"));
    }
    assert_eq!(server.handled.load(Ordering::SeqCst), 1_000);
    server.stop().await.expect("no handler panicked");
}
