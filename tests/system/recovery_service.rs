//! The server as a service: what it tells systemd, and how it ends.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use tollgate::store::Store;

use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End};
use crate::app::program::{Program, now};

/// The next thing that systemd is told.
fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).expect("systemd is told something in time");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn systemd_is_told_that_it_serves_that_it_lives_and_that_it_ends() {
    let program = Program::sqlite();
    let path = program.database.files.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let notify = path.to_str().unwrap();
    let serving = program.serve_with(&[("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", "400000")]);
    assert_eq!(told(&socket), "READY=1");
    let alive = Instant::now();
    for _ in 0..5 {
        assert_eq!(told(&socket), "WATCHDOG=1");
    }
    let spent = alive.elapsed();
    assert!(
        (700..4_000).contains(&spent.as_millis()),
        "five signs of life, one each half interval: {spent:?}"
    );
    assert!(serving.stop().success());
    while told(&socket) != "STOPPING=1" {}
}

#[test]
fn an_address_that_is_taken_is_named_with_its_key() {
    let program = Program::sqlite();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in
        [("TOLLGATE_FASTAGI__LISTEN", "fastagi.listen"), ("TOLLGATE_INTERNAL__LISTEN", "internal.listen")]
    {
        let said = program.run_with(&[(variable, &address)], &["serve"]);
        assert_eq!(said.status, 1, "{said:?}");
        let error = said.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(key) && error.contains(&address), "{error}");
    }
    // Neither try has left an owner behind.
    assert!(program.serve().stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let program = Program::sqlite();
    program.furnish();
    let store = Store::open(&program.database.url).await.unwrap();
    let mut serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    // A settlement that cannot be written keeps the first signal waiting.
    let locked = store.begin().await.unwrap();
    let (fastagi, call) = (serving.fastagi, granted.clone());
    let settling = tokio::spawn(async move {
        let end = End::answered(1_000).channel(&call.dial, &call.ticket, now().as_microsecond());
        end.run(fastagi).await.ok().is_some_and(|told| told.variable("TG_SETTLED") == Some("1"))
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    serving.tell_to_stop();
    assert_eq!(serving.wait_for_end(Duration::from_millis(500)), None, "it waits for what is under way");
    serving.tell_to_stop();
    let status = serving.wait_for_end(Duration::from_secs(2)).expect("it ends at once");
    assert_eq!(status.code(), Some(1));
    assert!(!settling.await.unwrap(), "what is not in the book was not acknowledged");
    locked.rollback().await.unwrap();
    // The dialplan tells the next one.
    let next = program.serve();
    assert!(End::answered(1_000).tell(next.fastagi, &granted, now().as_microsecond()).await);
    assert!(next.stop().success());
    program.assert_audit();
}
