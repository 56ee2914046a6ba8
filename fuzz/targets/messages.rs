//! Texts of messages: what is charged is what is sent; local times of scheduled ones.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tollgate::fuzzing;
use tollgate::messaging::connector::Encoding;
use tollgate::messaging::segments::{self, MAX_SEGMENTS, TextError};
use tollgate::messaging::wall_time;

static BERLIN: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Europe/Berlin").unwrap());

fn text(text: &str, to: &str) {
    let counted = match segments::count(text) {
        Ok(counted) => counted,
        Err(TextError::Empty) => return assert!(text.is_empty()),
        Err(TextError::TooLong | TextError::Control { .. }) => return,
    };
    assert!((1..=MAX_SEGMENTS).contains(&counted.segments));
    let parts = fuzzing::message_parts(text, counted.encoding).unwrap();
    assert_eq!(parts.len(), usize::from(counted.segments), "what is charged is what is sent");
    let (whole, part) = match counted.encoding {
        Encoding::Gsm7 => (160, 153),
        Encoding::Ucs2 => (140, 134),
    };
    let longest = if parts.len() == 1 { whole } else { part };
    assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= longest));
    if let Ok(pdus) = fuzzing::smpp_submissions(to, None, text, counted.encoding, false) {
        assert_eq!(pdus.len(), parts.len());
        for (pdu, part) in pdus.iter().zip(&parts) {
            assert!(pdu.ends_with(part), "each part is in its PDU");
            assert_eq!(u32::from_be_bytes(pdu[..4].try_into().unwrap()) as usize, pdu.len());
        }
    }
}

fn time(text: &str) {
    let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    for zone in [&BERLIN, &LazyLock::new(|| TimeZone::UTC)] {
        if let Ok(at) = wall_time::read(text, zone, now) {
            assert!(at > now);
            assert_eq!(wall_time::write(at, zone), text);
        }
    }
}

tollgate_fuzz::target!(|input: &str| {
    match input.split_at_checked(1) {
        Some(("w", rest)) => time(rest),
        Some((_, rest)) => {
            let (to, body) = rest.split_once('\0').unwrap_or(("4915112345678", rest));
            text(body, to);
        }
        None => {}
    }
});
