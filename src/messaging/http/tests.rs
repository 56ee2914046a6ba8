//! The connector against a gateway that answers as recorded, or badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tollgate_rating::Money;

use super::*;
use crate::messaging::connector::Delivery;

const TAKEN: &str = r#"{"success":"100","total_price":0.075,"balance":54.013,"messages":[{"id":"77214945865","price":0.075,"success":true,"error":null,"error_text":null}]}"#;

/// The gateway's reaction to a request.
#[derive(Clone, Debug)]
enum Does {
    Answer(u16, String),
    /// Says that more comes, and that it never ends.
    Endless,
    /// Closes the connection with the request read and nothing said.
    Hangs,
    /// Breaks off in the middle of its answer.
    Breaks,
    Nothing,
}

/// A gateway of one behaviour, with what it was asked.
struct Gateway {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    async fn that(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, does.clone(), Arc::clone(&record)));
            }
        });
        Self { address, asked }
    }

    async fn answers(status: u16, body: &str) -> Self {
        Self::that(Does::Answer(status, body.to_owned())).await
    }

    async fn serve(mut stream: TcpStream, does: Does, asked: Arc<Mutex<Vec<String>>>) {
        let mut read = String::new();
        loop {
            let mut buffer = [0; 4_096];
            let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
            read.push_str(&String::from_utf8_lossy(&buffer[..count]));
            let Some((head, body)) = read.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
                continue;
            }
            asked.lock().unwrap().push(std::mem::take(&mut read));
            let written = match &does {
                Does::Answer(status, body) => {
                    let length = body.len();
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await
                }
                Does::Endless => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
                    while stream.write_all(&[b'1'; 4_096]).await.is_ok() {}
                    return;
                }
                Does::Hangs => return,
                Does::Breaks => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1").await;
                    return;
                }
                Does::Nothing => Ok(()),
            };
            if written.is_err() {
                return;
            }
        }
    }

    fn connector(&self) -> Http {
        connector(&format!("http://{}/api/", self.address))
    }
}

fn connector(url: &str) -> Http {
    let limits = Limits {
        connect: Duration::from_millis(300),
        answer: Duration::from_millis(700),
        body_bytes: 64 * 1_024,
    };
    let settings = Settings {
        name: "gate".to_owned(),
        url: url.to_owned(),
        api_key: Secret::new("hunter2"),
        authorities: None,
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        limits,
    };
    Http::new(settings).unwrap()
}

fn message() -> Outgoing {
    Outgoing {
        reference: "00112233445566778899aabbccddeeff".to_owned(),
        to: "49179999999999".to_owned(),
        sender_id: Some("Tollgate".to_owned()),
        text: "Grüße & € 5=5".to_owned(),
        encoding: Encoding::Gsm7,
        segments: 1,
    }
}

async fn outcome(does: Does) -> Submitted {
    Gateway::that(does).await.connector().submit(message()).await
}

#[tokio::test]
async fn a_message_is_given_under_our_reference_and_the_answer_read() {
    let gateway = Gateway::answers(200, TAKEN).await;
    let connector = gateway.connector();
    let wanted =
        Accepted { upstream_ids: vec!["77214945865".to_owned()], cost: Some(Money::parse("0.075").unwrap()) };
    assert_eq!(connector.submit(message()).await, Submitted::Accepted(wanted.clone()));
    let other = Outgoing { encoding: Encoding::Ucs2, sender_id: None, ..message() };
    assert_eq!(connector.submit(other).await, Submitted::Accepted(wanted));
    let asked = gateway.asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("POST /api/sms HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("x-api-key: hunter2\r\n"), "{}", asked[0]);
    let form = |request: &str| -> Vec<(String, String)> {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let all = form(&asked[0]);
    for wanted in [
        pair("to", "49179999999999"),
        pair("from", "Tollgate"),
        pair("text", "Grüße & € 5=5"),
        pair("foreign_id", "00112233445566778899aabbccddeeff"),
        pair("json", "1"),
    ] {
        assert!(all.contains(&wanted), "{wanted:?} in {all:?}");
    }
    let second = form(&asked[1]);
    assert!(second.contains(&pair("unicode", "1")) && !second.iter().any(|(name, _)| name == "from"));
    assert!(!format!("{connector:?}").contains("hunter2"));
}

#[tokio::test]
async fn nothing_that_was_not_sent_counts_as_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let gone = connector(&format!("http://127.0.0.1:{port}/api"));
    assert!(matches!(gone.submit(message()).await, Submitted::NotAccepted { .. }));
    assert!(!gone.is_up());
    let nameless = connector("http://nowhere.invalid/api");
    assert!(matches!(nameless.submit(message()).await, Submitted::NotAccepted { .. }));
    // It does not speak TLS.
    let gateway = Gateway::answers(200, TAKEN).await;
    let plain = connector(&format!("https://{}/api", gateway.address));
    assert!(matches!(plain.submit(message()).await, Submitted::NotAccepted { .. }));
}

#[tokio::test]
async fn what_was_sent_and_not_answered_may_have_been_taken() {
    for does in [
        Does::Nothing,
        Does::Hangs,
        Does::Breaks,
        Does::Endless,
        Does::Answer(500, "100".to_owned()),
        Does::Answer(503, "900".to_owned()),
        Does::Answer(200, "<html>welcome</html>".to_owned()),
        Does::Answer(200, String::new()),
        Does::Answer(200, "x".repeat(100_000)),
        Does::Answer(200, "101".to_owned()),
    ] {
        let told = outcome(does.clone()).await;
        assert!(matches!(told, Submitted::Unknown { .. }), "{does:?}: {told:?}");
    }
}

#[tokio::test]
async fn refusals_and_pauses_are_told_apart() {
    for (status, body) in [(200, "202"), (200, "\"305\""), (400, "401"), (400, "what?")] {
        let told = outcome(Does::Answer(status, body.to_owned())).await;
        assert!(matches!(told, Submitted::Refused { .. }), "{status} {body}: {told:?}");
    }
    for (status, body) in
        [(200, "500"), (200, "900"), (401, "900"), (404, "nothing here"), (302, ""), (429, "slow")]
    {
        let told = outcome(Does::Answer(status, body.to_owned())).await;
        assert!(matches!(told, Submitted::NotAccepted { pause: Some(_), .. }), "{status} {body}: {told:?}");
    }
}

#[tokio::test]
async fn a_refused_key_is_seen_and_a_good_answer_too() {
    let gateway = Gateway::answers(200, "900").await;
    let connector = gateway.connector();
    assert!(connector.is_up());
    connector.submit(message()).await;
    assert!(!connector.is_up());
}

#[tokio::test]
async fn a_message_is_asked_for_by_its_name_and_found_by_ours() {
    let gateway = Gateway::answers(200, "DELIVERED\n2023-08-23 14:13:12.000").await;
    let told = gateway.connector().fetch_status("77214945865").await.unwrap();
    assert_eq!((told.upstream_id.as_str(), told.delivery), ("77214945865", Delivery::Delivered));
    assert_eq!(told.at, Some("2023-08-23T12:13:12Z".parse().unwrap()));
    assert!(gateway.asked.lock().unwrap()[0].ends_with("\r\n\r\nmsg_id=77214945865"));
    assert_eq!(Gateway::answers(200, "600").await.connector().fetch_status("7").await, None);

    let journal = r#"[{"id":"7","to":"49179999999999","foreign_id":"00112233445566778899aabbccddeeff","price":"0.075"}]"#;
    let gateway = Gateway::answers(200, journal).await;
    let found = gateway.connector().find(&message().reference, &message().to).await;
    let wanted = Accepted { upstream_ids: vec!["7".to_owned()], cost: Some(Money::parse("0.075").unwrap()) };
    assert_eq!(found, Found::Accepted(wanted));
    assert!(
        gateway.asked.lock().unwrap()[0]
            .starts_with("GET /api/journal/outbound?to=49179999999999&limit=100 ")
    );
    assert_eq!(gateway.connector().find("other", "49179999999999").await, Found::CannotTell);
    let hanging = Gateway::that(Does::Hangs).await.connector();
    assert_eq!(hanging.find("other", "49179999999999").await, Found::CannotTell);
}
