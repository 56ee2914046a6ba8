//! Parsing of answers, and the pace of requests.

use super::*;
use crate::esim::simulator::{DOCUMENTED, Settings, Simulator};

#[test]
fn the_references_own_signature_comes_out() {
    let made =
        sign("1111", "1628670421", "4ce9d9cdac9e4e17b3a2c66c358c1ce2", "11111", r#"{"imsi":"326543826"}"#);
    assert_eq!(made, "7eb765e27df5373dea2dbc8c41a7d9557743e46c8054750f3d851b3fd01d0835");
}

#[test]
fn a_success_holds_its_object_and_a_refusal_its_code() {
    let read = |text: &str| parse_answer::<Ordered>(text.as_bytes()).map(|ordered| ordered.order_no);
    for success in ["true", "\"true\""] {
        let text = format!(
            r#"{{"success":{success},"errorCode":"0","errorMsg":null,"obj":{{"orderNo":"B23121220718406","transactionId":"x"}}}}"#
        );
        assert_eq!(read(&text), Ok("B23121220718406".to_owned()));
    }
    let refused = |code: &str| {
        read(&format!(r#"{{"success":false,"errorCode":"{code}","errorMsg":"no","obj":null}}"#)).unwrap_err()
    };
    assert_eq!(refused("200010"), UpstreamError::NotYet);
    for code in ["200005", "200007", "200011", "310241", "310404"] {
        assert!(matches!(refused(code), UpstreamError::Refused { .. }), "{code}");
    }
    for code in ["000103", "000105", "101003"] {
        assert!(matches!(refused(code), UpstreamError::Rejected { .. }), "{code}");
    }
    for code in ["000001", "900001", "200009", "123456", "", "null"] {
        assert!(matches!(refused(code), UpstreamError::Unknown(_)), "{code}");
    }
}

#[test]
fn what_is_no_envelope_is_unknown() {
    for text in [
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        r#"{"success":true}"#,
        r#"{"success":true,"obj":{}}"#,
        r#"{"success":true,"obj":{"orderNo":5}}"#,
    ] {
        assert!(matches!(parse_answer::<Ordered>(text.as_bytes()), Err(UpstreamError::Unknown(_))), "{text}");
    }
}

#[test]
fn a_package_is_read_exactly_or_left_out() {
    let row = serde_json::json!({
        "packageCode": "CKH139", "slug": "SI_5_30", "name": "Slovenia 5GB 30Days", "price": 112_500,
        "currencyCode": "USD", "volume": 5_368_709_120_i64, "unusedValidTime": 180, "duration": 30,
        "durationUnit": "DAY", "location": "SI, AT", "description": "Slovenia 5GB 30Days",
        "locationNetworkList": [{ "locationName": "Slovenia", "locationLogo": "x.png",
            "operatorList": [{ "operatorName": "Telekom", "networkType": "5G" }] }],
    });
    let package = parse_package(&row.to_string()).unwrap();
    assert_eq!((package.price_e4, package.volume_bytes), (112_500, 5_368_709_120));
    assert_eq!(package.locations, ["SI", "AT"]);
    assert_eq!(package.coverage[0].networks[0].kind, "5G");
    for (field, bad) in [
        ("price", serde_json::json!(0)),
        ("price", serde_json::json!(1.5)),
        ("packageCode", serde_json::json!("a b")),
        ("currencyCode", serde_json::json!("dollars")),
        ("duration", serde_json::json!(-1)),
    ] {
        let mut row = row.clone();
        row[field] = bad;
        assert!(parse_package(&row.to_string()).is_err(), "{field}");
    }
}

#[tokio::test]
async fn many_who_want_to_know_keep_nobody_from_buying_and_do_not_wait_for_ever() {
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let settings = Settings { allocate_ms: 0, ..Settings::default() };
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = Simulator::start(listen, settings, stop).await.unwrap();
    let clock = Arc::new(crate::clock::SystemClock::new());
    let upstream = Arc::new(EsimAccess::new(&simulator.url(), "x", None, clock).unwrap());
    let began = tokio::time::Instant::now();
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move { upstream.fetch_balance().await })
        })
        .collect();
    tokio::task::yield_now().await;
    let (_, code, price_e4) = DOCUMENTED;
    let order = Order { transaction_id: "one", package_code: code, price_e4 };
    let number = upstream.place_order(order).await.unwrap();
    let profile = upstream.fetch_profile(Priority::Pending, &number, "one").await.unwrap();
    assert!(profile.iccid.starts_with("89") && began.elapsed() < Duration::from_secs(1));
    let mut told = 0;
    for asked in asking {
        match asked.await.unwrap() {
            Ok(_) => told += 1,
            Err(error) => assert_eq!(error, UpstreamError::Busy),
        }
    }
    assert!((3..=8).contains(&told), "{told} of forty within two seconds");
    assert!(began.elapsed() < Duration::from_secs(6));
    // An answer about another order is an error.
    assert!(matches!(
        upstream.fetch_profile(Priority::Pending, &number, "two").await,
        Err(UpstreamError::Unknown(reason)) if reason.contains("another order")
    ));
}
