//! Server and client with each other: what a dialplan can rely on.

#![expect(clippy::expect_used, reason = "a test that cannot go on says what it expected")]

use std::future::Future;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tollgate_agi::client::{Call, ClientError, End, Outcome};
use tollgate_agi::command::{
    ChannelState, ChannelStatus, EncodeError, GetVariable, Hangup, Line, MAX_PAIRS, Noop, Refusal,
    SetVariable,
};
use tollgate_agi::reply::Reply;
use tollgate_agi::transcript::Speaker;
use tollgate_agi::{Command, Session, SessionError, SessionLimits};

/// Plays `call` against a handler.
async fn play<F: Future<Output = ()> + Send + 'static>(
    call: Call,
    handler: impl FnOnce(Session<DuplexStream>) -> F + Send + 'static,
) -> Result<Outcome, ClientError> {
    let (near, far) = duplex(64 * 1024);
    let serving = tokio::spawn(async move {
        let peer = ([127, 0, 0, 1], 1).into();
        handler(Session::open(near, peer, SessionLimits::default()).await.expect("clean")).await;
    });
    let outcome = call.run_on(far).await;
    serving.await.expect("the handler is content");
    outcome
}

fn call() -> Call {
    Call::new("agi://127.0.0.1/authorize")
}

const TOKEN: SetVariable<'static> = SetVariable { name: "TG_TOKEN", value: "1.1" };

#[tokio::test]
async fn many_variables_take_few_commands_and_the_last_one_goes_alone() {
    let outcome = play(call(), |mut session| async move {
        let pairs =
            [("TG_STATUS", "ALLOW"), ("TG_CALLERID", "\"Al, ice\" <49>"), ("TG_ROUTE_1", "PJSIP/t/sip:49@h")];
        session.set_variables(&pairs).await.expect("set");
        session.send(&TOKEN).await.expect("set");
    });
    let outcome = outcome.await.expect("played");
    assert_eq!(
        outcome.transcript.commands().collect::<Vec<_>>(),
        [
            "SET VARIABLE TG_CALLERID \"\\\"Al, ice\\\" <49>\"",
            "EXEC MSet TG_STATUS=ALLOW,TG_ROUTE_1=PJSIP/t/sip:49@h",
            "SET VARIABLE TG_TOKEN \"1.1\"",
        ]
    );
    assert_eq!(outcome.variable("TG_CALLERID"), Some("\"Al, ice\" <49>"));
    assert_eq!(outcome.variable("TG_ROUTE_1"), Some("PJSIP/t/sip:49@h"));
    assert_eq!((outcome.commands, outcome.end, outcome.hung_up), (3, End::ServerClosed, false));
}

#[tokio::test]
async fn more_variables_than_one_command_takes_are_all_set() {
    let pairs: Vec<(String, String)> = (0..2 * MAX_PAIRS + 5)
        .map(|n| (format!("V{n}"), "x".repeat(n)))
        .chain([("LONG".to_owned(), "y".repeat(4_000))])
        .collect();
    let expected = pairs.clone();
    let outcome = play(call(), |mut session| async move {
        session.set_variables(&pairs).await.expect("set");
    });
    let outcome = outcome.await.expect("played");
    for (name, value) in &expected {
        assert_eq!(outcome.variable(name), Some(&**value), "{name}");
    }
    assert!(outcome.commands < 12, "{} commands", outcome.commands);
}

#[tokio::test]
async fn nothing_to_set_sends_nothing() {
    let outcome = play(call(), |mut session| async move {
        session.set_variables::<&str, &str>(&[]).await.expect("nothing to do");
    });
    assert_eq!(outcome.await.expect("played").commands, 0);
}

#[tokio::test]
async fn a_command_that_is_not_done_stops_those_behind_it() {
    let outcome = play(call().dead(), |mut session| async move {
        let first = SetVariable { name: "A", value: "1" };
        let error = session.send_all(&[&first, &Hangup, &TOKEN]).await.expect_err("a dead channel");
        assert!(matches!(error, SessionError::Refused(Refusal::DeadChannel)), "{error}");
        let bad = SetVariable { name: "not a name", value: "" };
        let error = session.send_all(&[&bad, &TOKEN]).await.expect_err("not a name");
        assert!(matches!(error, SessionError::Encode(EncodeError::BadName)), "{error}");
        session.send(&Noop).await.expect("the session goes on after either");
    });
    let outcome = outcome.await.expect("played");
    assert_eq!((outcome.variable("A"), outcome.variable("TG_TOKEN")), (Some("1"), None));
}

#[tokio::test]
async fn a_caller_who_hangs_up_is_noticed_and_variables_can_still_be_set() {
    let outcome = play(call().hang_up_after(1), |mut session| async move {
        session.send(&Noop).await.expect("alive");
        assert!(matches!(
            session.send(&ChannelStatus).await,
            Err(SessionError::Refused(Refusal::DeadChannel))
        ));
        assert!(session.is_hung_up());
        session.send(&TOKEN).await.expect("allowed on a dead channel");
    });
    let outcome = outcome.await.expect("played");
    assert!(outcome.hung_up);
    assert_eq!(outcome.variable("TG_TOKEN"), Some("1.1"));
}

#[tokio::test]
async fn an_asterisk_that_exits_on_hangup_never_gets_the_token() {
    let outcome = play(call().hang_up_after(1).exit_on_hangup(), |mut session| async move {
        session.send(&Noop).await.expect("alive");
        // Both lines and the end are on their way.
        tokio::task::yield_now().await;
        assert!(matches!(session.send(&TOKEN).await, Err(SessionError::Closed)));
        assert!(session.is_hung_up());
    });
    let outcome = outcome.await.expect("played");
    assert_eq!((outcome.variable("TG_TOKEN"), outcome.end), (None, End::HungUp));
    let said: Vec<_> = outcome.transcript.said_by(Speaker::Asterisk).collect();
    assert_eq!(said[said.len() - 3..], ["200 result=0", "HANGUP", "HANGUP"]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_before_the_first_command_is_seen_at_once() {
    let outcome = play(call().hang_up_after(0), |mut session| async move {
        tokio::task::yield_now().await;
        session.send(&TOKEN).await.expect("set on the dead channel");
        assert!(session.is_hung_up());
        session.finish().await.expect("nothing is left over");
    });
    assert!(outcome.await.expect("played").hung_up);
}

#[tokio::test]
async fn a_channel_dead_from_the_start_is_not_announced() {
    let outcome = play(call().dead().variable("TG_TICKET", "abc"), |mut session| async move {
        assert_eq!(
            session.send(&GetVariable { name: "TG_TICKET" }).await.expect("read"),
            Some("abc".to_owned())
        );
        assert!(!session.is_hung_up());
    });
    assert_eq!(outcome.await.expect("played").variable("TG_TICKET"), Some("abc"));
}

#[tokio::test]
async fn a_played_call_rings_until_it_is_hung_up() {
    let outcome = play(call(), |mut session| async move {
        assert_eq!(session.send(&ChannelStatus).await.expect("alive"), ChannelState::Ring);
        session.send(&Hangup).await.expect("alive");
    });
    let outcome = outcome.await.expect("played");
    assert!(outcome.hung_up);
}

#[tokio::test]
async fn a_server_that_closes_early_leaves_the_variables_as_they_were() {
    let outcome = play(call().variable("TG_TOKEN", ""), |session| async move { drop(session) });
    let outcome = outcome.await.expect("played");
    assert_eq!(
        (outcome.variable("TG_TOKEN"), outcome.end, outcome.commands),
        (Some(""), End::ServerClosed, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_at_the_deadline() {
    let outcome = play(call().deadline(Duration::from_secs(3)), |session| async move {
        tokio::time::sleep(Duration::from_secs(9)).await;
        drop(session);
    });
    assert_eq!(outcome.await.expect("played").end, End::Deadline);
}

/// Two commands where a session would send one.
struct Two;

impl Command for Two {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "NOOP").finish()?;
        Line::new(out, "NOOP").finish()
    }

    fn parse(&self, _: Reply) -> Result<(), Refusal> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_does_not_wait_for_its_reply_is_caught() {
    let outcome = play(call(), |mut session| async move {
        assert!(session.send(&Two).await.is_err());
    });
    assert!(matches!(outcome.await, Err(ClientError::Pipelined)));
}

#[tokio::test]
async fn a_command_asterisk_would_split_is_caught() {
    let (mut near, far) = duplex(64 * 1024);
    let playing = tokio::spawn(async move { call().run_on(far).await });
    near.write_all(&[b'x'; 9_000]).await.expect("room");
    let mut environment = vec![0; 16];
    near.read_exact(&mut environment).await.expect("it speaks first");
    assert!(matches!(playing.await.expect("no panic"), Err(ClientError::CommandTooLong)));
}
