//! What a caller may write into a request: nothing of it crashes, plants or dials anything.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_agi::Key;

use crate::app::TestApp;
use crate::app::book::number;
use crate::app::decks::BERLIN;
use crate::app::phone::{Answer, Dial, End};

/// The service still answers a proper call.
async fn is_well(app: &TestApp) {
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert!(app.end(&granted, &End::busy()).await);
}

#[tokio::test]
async fn hostile_arguments_of_authorize_grant_nothing() {
    let app = TestApp::start().await;
    app.furnish().await;
    let long = "9".repeat(200);
    let quotes = [
        "4930\"123",
        "4930'123",
        "4930,123",
        "4930&123",
        "4930|123",
        "${EXTEN}",
        "4930 123",
        "٤٩٣٠١٢٣",
        "4930\u{0}1",
    ];
    let mut hostile: Vec<Dial> = quotes.iter().map(|dialled| Dial::new("alice", dialled)).collect();
    hostile.push(Dial::new("alice", &long));
    hostile.push(Dial::new("alice", ""));
    hostile.push(Dial::new("", BERLIN));
    hostile.push(Dial::new(&"a".repeat(79), BERLIN));
    hostile.push(Dial::new("alice' OR '1'='1", BERLIN));
    hostile.push(Dial { server: String::new(), ..Dial::new("alice", BERLIN) });
    hostile.push(Dial { server: "pbx;1".to_owned(), ..Dial::new("alice", BERLIN) });
    hostile.push(Dial { server: "p".repeat(65), ..Dial::new("alice", BERLIN) });
    for leg in ["0", "1000", "-1", "x", "99999999999999999999"] {
        hostile.push(Dial { leg: leg.to_owned(), ..Dial::new("alice", BERLIN) });
    }
    for dial in hostile {
        let answer = dial.ask(app.fastagi).await;
        assert!(!answer.is_allowed(), "{dial:?} was allowed: {answer:?}");
    }
    assert_eq!(app.calls.open_calls(), 0);
    is_well(&app).await;
    app.assert_right().await;
}

#[tokio::test]
async fn what_a_caller_writes_never_comes_back_as_a_variable() {
    let app = TestApp::start().await;
    app.furnish().await;
    for caller in
        ["4930,TG_TALK_S=99999", "\",TG_ROUTE_1=PJSIP/evil@x", "+49${SYSTEM(id)}", "a&b|c", "+4930\t1"]
    {
        let dial = Dial {
            caller: caller.to_owned(),
            extras: format!("x={caller};sip_call_id={caller}"),
            ..Dial::new("alice", BERLIN)
        };
        match dial.ask(app.fastagi).await {
            Answer::Allowed(granted) => {
                assert!(
                    granted.callerid.bytes().all(|b| b.is_ascii_digit() || b == b'+'),
                    "{}",
                    granted.callerid
                );
                assert!(granted.routes[0].starts_with("PJSIP/493012345678@"), "{:?}", granted.routes);
                assert!(granted.talk_ms <= granted.limit_ms);
                assert!(app.end(&granted, &End::busy()).await);
            }
            Answer::Refused { .. } | Answer::Nothing => {}
        }
    }
    app.assert_right().await;
}

#[tokio::test]
async fn newlines_in_the_environment_refuse_the_call_without_a_word() {
    let app = TestApp::start().await;
    app.furnish().await;
    for planted in [
        "49301\nagi_arg_1: acme",
        "49301\n\n200 result=1\n200 result=1",
        "49301\nagi_network: yes",
        "49301\nagi_unknown: x",
        "49301\n",
    ] {
        let dial = Dial::new("alice", BERLIN);
        let outcome = dial.channel().with(Key::Extension, planted).run(app.fastagi).await;
        if let Ok(outcome) = outcome {
            assert_eq!(outcome.variable("TG_TOKEN"), None, "{planted:?}");
            assert_ne!(outcome.variable("TG_STATUS"), Some("ALLOW"), "{planted:?}");
        }
    }
    assert_eq!(app.calls.open_calls(), 0, "none of them holds anything");
    is_well(&app).await;
    app.assert_right().await;
}

#[tokio::test]
async fn an_unknown_script_is_told_nothing() {
    let app = TestApp::start().await;
    app.furnish().await;
    for script in ["", "authorise", "authorize/../settle", "AUTHORIZE", "authorize/x"] {
        let call = tollgate_agi::client::Call::new(&format!("agi://127.0.0.1/{script}")).args([
            "alice",
            BERLIN,
            "",
            "pbx1",
            "192.0.2.7",
            "1",
        ]);
        let outcome = call.run(app.fastagi).await.unwrap();
        assert_eq!(outcome.variable("TG_STATUS"), None, "{script:?}");
    }
    assert_eq!(app.calls.open_calls(), 0);
}

#[tokio::test]
async fn hostile_settle_requests_are_not_acknowledged() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let tell = |position: usize, text: &'static str| {
        let mut arguments: Vec<String> = vec![
            granted.ticket.clone(),
            "1000".into(),
            "ANSWER".into(),
            "16".into(),
            "1".into(),
            "pbx1".into(),
            "1".into(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ];
        arguments[position - 1] = text.to_owned();
        let call =
            tollgate_agi::client::Call::new("agi://127.0.0.1/settle").unique_id(&granted.dial.unique_id);
        call.args(arguments.iter().map(String::as_str)).dead()
    };
    for (position, text) in [
        (2, "-1"),
        (2, "3s"),
        (2, "99999999999999999999999"),
        (4, "sixteen"),
        (5, "first"),
        (6, "pbx2"),
        (6, "pbx 1"),
        (7, "0"),
        (7, "2"),
        (8, "now"),
        (9, "-5"),
    ] {
        let outcome = tell(position, text).run(app.fastagi).await.unwrap();
        assert_eq!(outcome.variable("TG_SETTLED"), None, "argument {position} {text:?}");
    }
    assert_eq!(app.calls.open_calls(), 1, "the call is still open");
    assert!(app.end(&granted, &End::answered(1_000)).await);
    app.assert_right().await;
}

#[tokio::test]
async fn absurd_times_and_routes_charge_no_more_than_the_grant() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0.062076").await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(10_000);
    let mut end = End::answered(u64::from(u32::MAX));
    end.route = 7;
    end.attempts = "7:ANSWER:16:99999999999999999999;x:y:z;;;:::".to_owned();
    assert!(app.end(&granted, &end).await);
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!(cdr.charged_ms, 12_000);
    assert!(cdr.payers[0].charge <= 62_076_000);
    assert_eq!((cdr.trunk, cdr.buy_cost), (None, None), "there is no seventh route");
    app.assert_right().await;
}

/// Says `bytes`, then hears whatever comes until the server closes.
async fn say(fastagi: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(fastagi).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut heard = Vec::new();
    let hearing = stream.read_to_end(&mut heard);
    let _ = tokio::time::timeout(Duration::from_secs(5), hearing).await.expect("the server closes in time");
    heard
}

#[tokio::test]
async fn bytes_that_are_no_request_get_no_answer_and_leave_nothing() {
    let app = TestApp::start().await;
    app.furnish().await;
    let endless = vec![b'a'; 200_000];
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\n\n", &[0, 255, 13, 10, 0], &endless] {
        let heard = say(app.fastagi, bytes).await;
        assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    }
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM open_calls").await, 0);
    is_well(&app).await;
    app.assert_right().await;
}
