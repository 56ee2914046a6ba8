//! Channels whose names begin like others'.

use tollgate::calls::Channel;
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::clock::Clock as _;
use tollgate::ledger::CallKey;

use crate::app::TestApp;
use crate::app::decks::BERLIN;

const SERVER: &str = "pbx1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carrier_whose_endpoint_begins_like_anothers_is_not_taken_for_it() {
    let app = TestApp::start().await;
    app.furnish().await;
    // Both are cheaper than the usual carriers, and `edge` is the first route.
    app.tariff("edge", "prefix,price_per_minute,destination\n4930,0.001,Berlin\n").await;
    app.tariff("edge-a", "prefix,price_per_minute,destination\n4930,0.002,Berlin\n").await;
    for name in ["edge", "edge-a"] {
        app.trunk(TrunkSpec::new(name, name, name)).await;
    }
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    for (called, trunk) in [
        ("PJSIP/edge-a-0000002b", Some("edge-a")),
        ("PJSIP/edge-0000002c", Some("edge")),
        ("PJSIP/edg-0000002d", None),
    ] {
        app.until_admitting().await;
        let granted = app.dial("alice", BERLIN).await.allowed();
        assert!(
            granted.routes[0].ends_with("@edge") && granted.routes[1].ends_with("@edge-a"),
            "{granted:?}"
        );
        let caller = granted.dial.unique_id.clone();
        let now_ms = i64::try_from(app.clock.monotonic_ms()).unwrap();
        app.calls.answered(SERVER, &caller, called, now_ms);
        app.clock.advance_ms(5_000);
        let channel = Channel {
            name: "PJSIP/alice-00000006".to_owned(),
            unique_id: caller.clone(),
            linked_id: caller.clone(),
            is_up: true,
            has_ended: false,
            is_caller: true,
        };
        app.calls.take_in(SERVER, &[channel], app.clock.monotonic_ms());
        for _ in 0..2 {
            app.calls.take_in(SERVER, &[], app.clock.monotonic_ms());
        }
        let key = CallKey { server: SERVER.to_owned(), unique_id: caller, leg: 1 };
        assert!(app.calls.settle_gone(&key).await.unwrap().is_some());
        app.until_admitting().await;
        let cdr = app.cdr(&granted.dial).await;
        assert_eq!((cdr.charged_ms, cdr.trunk.as_deref()), (5_000, trunk), "{called}");
    }
    app.assert_right().await;
    app.stop().await;
}

#[test]
fn an_endpoint_is_read_up_to_the_channels_number() {
    let endpoint = |name: &str| {
        let channel = Channel {
            name: name.to_owned(),
            unique_id: String::new(),
            linked_id: String::new(),
            is_up: true,
            has_ended: false,
            is_caller: true,
        };
        channel.endpoint().map(str::to_owned)
    };
    assert_eq!(endpoint("PJSIP/alice-0000002a").as_deref(), Some("alice"));
    assert_eq!(endpoint("PJSIP/alice-2-0000002a").as_deref(), Some("alice-2"));
    assert_eq!(endpoint("PJSIP/alice-00000001-0000002a").as_deref(), Some("alice-00000001"));
    for foreign in [
        "PJSIP/alice",
        "PJSIP/alice-2a",
        "PJSIP/-0000002a",
        "Local/alice@x-0000002a;1",
        "PJSIP/alice-0000002a;2",
    ] {
        assert_eq!(endpoint(foreign), None, "{foreign}");
    }
}
