//! The SMPP connector against an SMSC that nobody of Tollgate wrote: the npm package `smpp`, driven by
//! `tests/smsc/server.js`. `tests/smsc/run` installs the package and runs these alone.
//!
//! `TOLLGATE_TEST_SMSC` names the folder that the package is installed in; without it they fail, so that nobody takes them
//! for passed.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tollgate::clock::{Clock, SystemClock};
use tollgate::config::Config;
use tollgate::messaging::connector::{
    Connector, Delivery, Encoding, Found, NotKept, Outgoing, Receipt, Receipts, Submitted,
};
use tollgate::messaging::providers::Providers;

use crate::api::connections::pem;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The SMSC, ended with the test.
pub(crate) struct Smsc {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u64,
}

impl Smsc {
    /// With TLS where a folder holds `key.pem` and `certificate.pem`.
    pub(crate) async fn start(tls: Option<&Path>) -> Self {
        let folder = std::env::var("TOLLGATE_TEST_SMSC").expect(
            "TOLLGATE_TEST_SMSC must name the folder that the npm package smpp is installed in: run tests/smsc/run",
        );
        let modules = format!("{folder}/node_modules");
        assert!(
            Path::new(&modules).join("smpp").is_dir(),
            "TOLLGATE_TEST_SMSC={folder} has no node_modules/smpp: run tests/smsc/run"
        );
        let mut command = Command::new("node");
        if let Some(folder) = tls {
            command.env("SMSC_KEY", folder.join("key.pem"));
            command.env("SMSC_CERTIFICATE", folder.join("certificate.pem"));
        }
        let mut process = command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smsc/server.js"))
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs: run tests/smsc/run");
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut smsc = Self { _process: process, commands, answers, port: 0 };
        smsc.port = smsc.answer().await["port"].as_u64().unwrap();
        smsc
    }

    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line.expect("the SMSC answers in time").unwrap().expect("the SMSC still runs");
        serde_json::from_str(&line).unwrap()
    }

    async fn tell(&mut self, command: Value) -> Value {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let answer = self.answer().await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    pub(crate) async fn behave(&mut self, mut how: Value) {
        how["do"] = json!("behave");
        self.tell(how).await;
    }

    pub(crate) async fn look(&mut self) -> Value {
        self.tell(json!({ "do": "look" })).await
    }
}

/// Keeps receipts, but not the first so many.
#[derive(Debug, Default)]
struct Kept {
    refuses: AtomicU32,
    told: Mutex<Vec<(String, Receipt)>>,
}

impl Receipts for Kept {
    fn record<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>> {
        let refuses =
            self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let result = if refuses.is_ok() {
            Err(NotKept("the database is away".to_owned()))
        } else {
            self.told.lock().unwrap().push((provider.to_owned(), receipt));
            Ok(())
        };
        futures::future::ready(result).boxed()
    }
}

/// An SMSC and a connector to it.
struct Rig {
    smsc: Smsc,
    providers: Providers,
    kept: Arc<Kept>,
}

impl Rig {
    /// With more keys of the provider's section; not waiting until it is bound.
    async fn unbound(more: &str, behaviour: Value) -> Self {
        let mut smsc = Smsc::start(None).await;
        smsc.behave(behaviour).await;
        Self::to(smsc, more)
    }

    fn to(smsc: Smsc, more: &str) -> Self {
        let text = format!(
            "[[sms.provider]]\nname = 'smsc'\nkind = 'smpp'\nhost = '127.0.0.1'\nport = {}\nsystem_id = 'tollgate'\npassword = 'hunter2'\nsystem_type = 'test'\n{more}",
            smsc.port
        );
        let config = Config::from_text(&text, []).unwrap();
        let kept = Arc::new(Kept::default());
        let receipts = Arc::clone(&kept) as Arc<dyn Receipts>;
        let clock = Arc::new(SystemClock::new()) as Arc<dyn Clock>;
        let providers = Providers::open(&config, &receipts, &clock).unwrap();
        Self { smsc, providers, kept }
    }

    async fn with(more: &str) -> Self {
        let rig = Self::unbound(more, json!({})).await;
        rig.until_up(true).await;
        rig
    }

    fn connector(&self) -> &dyn Connector {
        self.providers.default_provider().unwrap().connector.as_ref()
    }

    async fn until_up(&self, wanted: bool) {
        let waiting = async {
            while self.connector().is_up() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the connector changes in time");
    }

    async fn submit(&self, text: &str, encoding: Encoding) -> Submitted {
        self.connector().submit(message(text, encoding)).await
    }

    async fn taken(&self, text: &str, encoding: Encoding) -> Vec<String> {
        match self.submit(text, encoding).await {
            Submitted::Accepted(accepted) => accepted.upstream_ids,
            other => panic!("{other:?}"),
        }
    }

    fn told(&self) -> Vec<(String, Delivery)> {
        let told = self.kept.told.lock().unwrap();
        told.iter().map(|(_, receipt)| (receipt.upstream_id.clone(), receipt.delivery)).collect()
    }
}

fn message(text: &str, encoding: Encoding) -> Outgoing {
    Outgoing {
        reference: "00112233445566778899aabbccddeeff".to_owned(),
        to: "4915112345678".to_owned(),
        sender_id: Some("Tollgate".to_owned()),
        text: text.to_owned(),
        encoding,
        segments: 1,
    }
}

#[tokio::test]
async fn short_texts_arrive_as_they_were_written() {
    let mut rig = Rig::with("").await;
    let texts = [("Grüße: 5 € [x] {y} ~ \\ | ^ @£$¥ Ω", Encoding::Gsm7), ("Привет, мир 😀", Encoding::Ucs2)];
    let mut ids = Vec::new();
    for (text, encoding) in texts {
        ids.extend(rig.taken(text, encoding).await);
    }
    assert_eq!(ids, ["smsc-1", "smsc-2"]);
    let seen = rig.smsc.look().await;
    assert_eq!(seen["texts"], json!([texts[0].0, texts[1].0]));
    let bind =
        json!({ "systemId": "tollgate", "password": "hunter2", "systemType": "test", "version": 0x34 });
    assert_eq!(seen["binds"], json!([bind]));
    let first = &seen["record"][0];
    assert_eq!(first["from"], json!({ "ton": 5, "npi": 0, "address": "Tollgate" }));
    assert_eq!(first["to"], json!({ "ton": 1, "npi": 1, "address": "4915112345678" }));
    assert_eq!((&first["esmClass"], &first["registeredDelivery"]), (&json!(0), &json!(1)));
    assert_eq!((&first["dataCoding"], &seen["record"][1]["dataCoding"]), (&json!(0), &json!(8)));
    assert_eq!(rig.connector().find("any", "4915112345678").await, Found::CannotTell);
    rig.providers.close().await;
    assert!(!rig.connector().is_up());
    // The SMSC hears of it a moment later.
    let mut looks = 0;
    while rig.smsc.look().await["bound"] == json!(true) {
        looks += 1;
        assert!(looks < 100, "the connection is closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(rig.submit("late", Encoding::Gsm7).await, Submitted::NotAccepted { .. }));
}

#[tokio::test]
async fn long_texts_arrive_whole_in_parts_and_as_payload() {
    let gsm = format!("{}€{}", "a".repeat(152), "bc ".repeat(70));
    let ucs2 = format!("{}😀{}", "я".repeat(66), "ю".repeat(90));
    let mut rig = Rig::with("").await;
    let ids = rig.taken(&gsm, Encoding::Gsm7).await;
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert_eq!(rig.taken(&ucs2, Encoding::Ucs2).await.len(), 3);
    let seen = rig.smsc.look().await;
    assert_eq!(seen["texts"], json!([gsm, ucs2]));
    assert!(seen["record"].as_array().unwrap().iter().all(|one| one["esmClass"] == json!(0x40)));

    let mut rig = Rig::with("long_messages = 'payload'\n").await;
    assert_eq!(rig.taken(&gsm, Encoding::Gsm7).await.len(), 1);
    assert_eq!(rig.taken(&ucs2, Encoding::Ucs2).await.len(), 1);
    let seen = rig.smsc.look().await;
    assert_eq!(seen["texts"], json!([gsm, ucs2]));
    assert!(seen["record"].as_array().unwrap().iter().all(|one| one["payload"] == json!(true)));
}

#[tokio::test]
async fn receipts_are_kept_before_they_are_acknowledged() {
    let mut rig = Rig::with("time_zone = 'Europe/Berlin'\n").await;
    let ids = [rig.taken("one", Encoding::Gsm7).await, rig.taken("two", Encoding::Gsm7).await].concat();
    // Not kept twice: told until it is.
    rig.kept.refuses.store(2, Ordering::SeqCst);
    let told = rig.smsc.tell(json!({ "do": "receipt", "id": ids[1] })).await;
    assert_eq!(told["statuses"], json!([0x64, 0x64, 0]));
    // Out of order, by parameters, and twice.
    for _ in 0..2 {
        let told = rig.smsc.tell(json!({ "do": "receipt", "id": ids[0], "state": 5 })).await;
        assert_eq!(told["statuses"], json!([0]));
    }
    let wanted = [
        (ids[1].clone(), Delivery::Delivered),
        (ids[0].clone(), Delivery::Failed),
        (ids[0].clone(), Delivery::Failed),
    ];
    assert_eq!(rig.told(), wanted);
    let (provider, first) = rig.kept.told.lock().unwrap()[0].clone();
    assert_eq!((provider.as_str(), first.at), ("smsc", Some("2023-08-23T12:14:00Z".parse().unwrap())));
    // A message is none: it is taken from the SMSC, and goes nowhere.
    assert_eq!(rig.smsc.tell(json!({ "do": "message", "text": "STOP" })).await["status"], json!(0));
    assert_eq!(rig.told().len(), 3);
}

#[tokio::test]
async fn throttling_is_not_taken_and_a_refusal_is_for_ever() {
    let mut rig = Rig::with("").await;
    for (status, name) in [(0x58, "ESME_RTHROTTLED"), (0x14, "ESME_RMSGQFUL")] {
        rig.smsc.behave(json!({ "fail": 1, "status": status })).await;
        match rig.submit("busy", Encoding::Gsm7).await {
            Submitted::NotAccepted { reason, pause: Some(_) } => assert!(reason.contains(name), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    for (status, name) in [(0x0b, "ESME_RINVDSTADR"), (0x0401, "0x00000401")] {
        rig.smsc.behave(json!({ "fail": 1, "status": status })).await;
        match rig.submit("no", Encoding::Gsm7).await {
            Submitted::Refused { reason } => assert!(reason.contains(name), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.taken("again", Encoding::Gsm7).await.len(), 1);
    assert!(matches!(rig.submit("Привет", Encoding::Gsm7).await, Submitted::Refused { .. }));
    assert_eq!(rig.smsc.look().await["texts"], json!(["again"]));
}

#[tokio::test]
async fn a_later_part_is_given_again_when_it_is_throttled_and_unclear_when_it_is_refused() {
    let long = "x".repeat(200);
    let mut rig = Rig::with("").await;
    rig.smsc.behave(json!({ "failAfter": 1, "fail": 2 })).await;
    assert_eq!(rig.taken(&long, Encoding::Gsm7).await, ["smsc-1", "smsc-2"]);
    assert_eq!(rig.smsc.look().await["texts"], json!([long]));
    rig.smsc.behave(json!({ "failAfter": 1, "fail": 1, "status": 0x0b })).await;
    match rig.submit(&long, Encoding::Gsm7).await {
        Submitted::Unknown { accepted, reason } => {
            assert_eq!(accepted.upstream_ids, ["smsc-3"]);
            assert!(reason.contains("part 2 of 2"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_in_flight_when_the_link_dropped_is_unclear_and_never_given_again() {
    let mut rig = Rig::with("").await;
    rig.smsc.behave(json!({ "silence": "drop" })).await;
    assert!(matches!(rig.submit("lost", Encoding::Gsm7).await, Submitted::Unknown { .. }));
    rig.smsc.behave(json!({})).await;
    rig.until_up(true).await;
    assert_eq!(rig.taken("next", Encoding::Gsm7).await.len(), 1);
    let seen = rig.smsc.look().await;
    let given: Vec<_> = seen["record"].as_array().unwrap().iter().map(|one| one["text"].clone()).collect();
    assert_eq!(given, [json!("lost"), json!("next")]);
    assert_eq!(seen["binds"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let mut rig = Rig::with("response_timeout_seconds = 1\nwindow = 2\n").await;
    rig.smsc.behave(json!({ "silence": "ignore" })).await;
    let asking = (0..4).map(|_| rig.submit("silent", Encoding::Gsm7));
    let told = futures::future::join_all(asking).await;
    assert!(told.iter().all(|told| matches!(told, Submitted::Unknown { .. })), "{told:?}");
    // The places in the window are free again, and the link is still the same one.
    rig.smsc.behave(json!({})).await;
    assert_eq!(rig.taken("heard", Encoding::Gsm7).await.len(), 1);
    assert_eq!(rig.smsc.look().await["binds"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_bind_is_not_tried_again_and_again() {
    let mut rig = Rig::unbound("", json!({ "refuseBind": 0x0d })).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!rig.connector().is_up());
    assert!(matches!(rig.submit("no", Encoding::Gsm7).await, Submitted::NotAccepted { .. }));
    assert_eq!(rig.smsc.look().await["binds"].as_array().unwrap().len(), 1);

    // A session of before that is still known there passes.
    let mut rig = Rig::unbound("", json!({ "refuseBind": 0x05 })).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.smsc.behave(json!({})).await;
    rig.until_up(true).await;
    assert_eq!(rig.taken("now", Encoding::Gsm7).await.len(), 1);
}

#[tokio::test]
async fn both_sides_ask_whether_the_other_is_there() {
    let mut rig = Rig::with("enquire_link_seconds = 1\nresponse_timeout_seconds = 1\n").await;
    assert_eq!(rig.smsc.tell(json!({ "do": "enquire" })).await["status"], json!(0));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let seen = rig.smsc.look().await;
    assert!(seen["enquiries"].as_u64().unwrap() >= 1 && rig.connector().is_up(), "{seen}");
    // One that does not answer any more is left, and found again when it does.
    rig.smsc.behave(json!({ "alive": false })).await;
    rig.until_up(false).await;
    rig.smsc.behave(json!({})).await;
    rig.until_up(true).await;
    assert!(rig.smsc.look().await["binds"].as_array().unwrap().len() >= 2);
    // So is one that unbinds.
    assert_eq!(rig.smsc.tell(json!({ "do": "unbind" })).await["status"], json!(0));
    rig.until_up(false).await;
    rig.until_up(true).await;
    assert_eq!(rig.taken("still", Encoding::Gsm7).await.len(), 1);
}

#[tokio::test]
async fn hostile_octets_end_the_session_at_most() {
    let mut rig = Rig::with("").await;
    let mut raw = async |bytes: &str| rig.smsc.tell(json!({ "do": "raw", "bytes": bytes })).await;
    // A command that nobody knows, and a receipt that is cut off in its middle.
    let unknown = raw("00000014000000770000000000000009deadbeef").await;
    assert_eq!(unknown, json!({ "command": "generic_nack", "status": 3 }));
    let spoilt = raw("00000013000000050000000000000009ffffff").await;
    assert_eq!(spoilt, json!({ "command": "deliver_sm_resp", "status": 0x66 }));
    assert!(rig.connector().is_up());
    for bytes in [
        "7fffffff000000050000000000000009",
        "00000003",
        "0000000800000005",
        "474554202f20485454502f312e310d0a",
    ] {
        rig.until_up(true).await;
        let told = rig.smsc.tell(json!({ "do": "raw", "bytes": bytes })).await;
        assert_eq!(told, json!({ "closed": true }), "{bytes}");
        rig.until_up(true).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.until_up(true).await;
    assert_eq!(rig.taken("fine", Encoding::Gsm7).await.len(), 1);
}

#[tokio::test]
async fn tls_is_spoken_with_the_one_that_is_meant_and_with_nobody_else() {
    let certified = rcgen::generate_simple_self_signed(vec!["smsc.example".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), pem("PRIVATE KEY", &certified.signing_key.serialize_der()))
        .unwrap();
    std::fs::write(folder.path().join("certificate.pem"), pem("CERTIFICATE", certified.cert.der())).unwrap();
    let authority = format!("tls = true\ntls_ca = '{}/certificate.pem'\n", folder.path().display());

    let smsc = Smsc::start(Some(folder.path())).await;
    let mut rig = Rig::to(smsc, &format!("{authority}tls_name = 'smsc.example'\n"));
    rig.until_up(true).await;
    assert_eq!(rig.taken("secret", Encoding::Gsm7).await.len(), 1);
    assert_eq!(rig.smsc.look().await["texts"], json!(["secret"]));

    for more in [format!("{authority}tls_name = 'other.example'\n"), "tls = true\n".to_owned()] {
        let smsc = Smsc::start(Some(folder.path())).await;
        let mut rig = Rig::to(smsc, &more);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(matches!(rig.submit("no", Encoding::Gsm7).await, Submitted::NotAccepted { .. }), "{more}");
        assert_eq!(rig.smsc.look().await["binds"], json!([]), "{more}");
    }
}
