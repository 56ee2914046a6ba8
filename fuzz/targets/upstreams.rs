//! Answers of other people's HTTP APIs: SMS gateways and the eSIM upstream, and the latter's notices.
#![no_main]

use jiff::tz::TimeZone;
use tollgate::fuzzing;
use tollgate::messaging::connector::{Accepted, Submitted};

fn check_taken(taken: &Accepted, body: &str) {
    assert!(taken.upstream_ids.iter().map(String::len).sum::<usize>() <= body.len());
    assert!(taken.cost.is_none_or(|cost| !cost.is_negative()));
}

fn gateway(body: &str) {
    match fuzzing::gateway_submitted(body) {
        Some(Submitted::Accepted(taken)) => {
            check_taken(&taken, body);
            // Only an answer that says so is an acceptance.
            assert!(body.contains("100") || body.contains("true"), "{body:?}");
        }
        Some(Submitted::Refused { reason } | Submitted::NotAccepted { reason, .. }) => {
            assert!(reason.chars().count() <= 256 && !reason.chars().any(char::is_control), "{reason:?}");
        }
        Some(Submitted::Unknown { reason, accepted }) => {
            assert!(reason.chars().count() <= 256 && !reason.chars().any(char::is_control), "{reason:?}");
            check_taken(&accepted, body);
        }
        None => {}
    }
    if let Some(taken) = fuzzing::gateway_journal(body, "ours") {
        assert!(body.contains("ours") || body.contains("\\u"));
        check_taken(&taken, body);
    }
    if let Some(receipt) = fuzzing::gateway_status(body, &TimeZone::UTC) {
        assert_eq!(receipt.upstream_id, "upstream");
    }
}

fn esim(body: &[u8]) {
    for package in fuzzing::esim_answer(body) {
        assert!(package.price_e4 > 0 && package.volume_bytes >= 0 && package.duration > 0);
        assert!((1..=50).contains(&package.code.len()) && package.code.is_ascii());
        assert_eq!(package.currency.len(), 3);
        let plain = |text: &str| !text.chars().any(char::is_control);
        assert!(plain(&package.name) && plain(&package.slug) && plain(&package.description));
    }
}

fn notice(body: &[u8]) {
    for name in fuzzing::esim_notice(body) {
        assert!((1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    match (kind, std::str::from_utf8(body)) {
        (b'g', Ok(text)) => gateway(text),
        (b'e', _) => esim(body),
        (b'n', _) => notice(body),
        _ => {}
    }
});
