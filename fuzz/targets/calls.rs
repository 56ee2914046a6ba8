//! The dialplan's arguments of `authorize` and `settle`, and the records of ended calls that Asterisk kept.
#![no_main]

use tollgate::calls::request::{AuthorizeRequest, SettleRequest};
use tollgate::calls::unsettled;
use tollgate::ledger::CallKey;

const EXTRAS: [&str; 6] = ["sip_call_id", "hung_up_by", "pdd_ms", "kind", "endpoint", ""];

fn check_key(key: &CallKey, unique_id: &str) {
    let fits = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    assert!(fits(&key.server) && fits(&key.unique_id), "{key:?}");
    assert_eq!(key.unique_id, unique_id);
    assert!((1..=999).contains(&key.leg));
}

fn clean(text: &str, longest: usize) {
    assert!(!text.chars().any(char::is_control) && text.chars().count() <= longest, "{text:?}");
}

fn check_settle(request: &SettleRequest, unique_id: &str) {
    check_key(&request.key, unique_id);
    clean(&request.dial_status, 80);
    assert!(request.attempts.len() <= 32);
    request.attempts.iter().for_each(|attempt| clean(&attempt.dial_status, 80));
    EXTRAS.iter().filter_map(|key| request.extras.get(key)).for_each(|value| clean(value, 128));
    assert!(request.answered_at_us.is_none_or(|us| us > 0) && request.ended_at_us.is_none_or(|us| us > 0));
}

tollgate_fuzz::target!(|text: &str| {
    let Some((first, rest)) = text.split_once('\n') else { return };
    let (kind, unique_id) = first.split_at_checked(1).unwrap_or((first, ""));
    let args: Vec<&str> = rest.split('\n').collect();
    match kind {
        "a" => {
            let Ok(request) = AuthorizeRequest::parse(unique_id, &args) else { return };
            check_key(&request.key, unique_id);
            clean(&request.endpoint, 80);
            clean(&request.dialled, 80);
            clean(&request.caller, 80);
            EXTRAS.iter().filter_map(|key| request.extras.get(key)).for_each(|value| clean(value, 128));
        }
        "s" => {
            if let Ok(request) = SettleRequest::parse(unique_id, &args) {
                check_settle(&request, unique_id);
                // The same arguments kept as a record are the same call.
                let mut fields: Vec<&str> = args.iter().copied().take(11).collect();
                fields.resize(11, "");
                if fields.iter().all(|field| !field.contains('|')) {
                    let key = format!("{unique_id}.{}", request.key.leg);
                    let read = unsettled::read(&key, &format!("1|{}", fields.join("|"))).unwrap();
                    assert_eq!(format!("{read:?}"), format!("{request:?}"));
                }
            }
        }
        _ => {
            if let Ok(request) = unsettled::read(first, rest) {
                let (unique_id, leg) = first.rsplit_once('.').unwrap();
                assert_eq!(request.key.leg.to_string(), leg);
                check_settle(&request, unique_id);
            }
        }
    }
});
