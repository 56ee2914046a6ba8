//! The answers of a gateway like seven.io, and their meaning.
//!
//! With `json=1` it answers an object; where something is wrong with the request as a whole, and where it is older, a bare
//! code, quoted or not:
//!
//! ```text
//! {"success":"100","total_price":0.075,"messages":[{"id":"77214945865","price":0.075,"success":true,"error":null,…}]}
//! 900
//! "900"
//! ```

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_rating::Money;

use crate::messaging::connector::{Accepted, Delivery, Receipt, Submitted};

/// The pause after an error that takes time to mend: no credit at the gateway, an API key that is refused.
pub(super) const LONG_PAUSE: Duration = Duration::from_mins(1);
/// The gateway could not pass it on just now.
const SHORT_PAUSE: Duration = Duration::from_secs(5);
/// How much of a gateway's words is passed on.
const MAX_REASON_CHARS: usize = 200;

/// The answer to `/sms`.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    success: Option<&'a RawValue>,
    #[serde(borrow)]
    total_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    success: Option<bool>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    error_text: Option<&'a RawValue>,
}

/// A row of `/journal/outbound`.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    foreign_id: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
}

/// A JSON text or number as its text; null and everything else is nothing.
fn text_of(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok().filter(|text| !text.is_empty()),
        b'0'..=b'9' | b'-' => Some(raw.to_owned()),
        _ => None,
    }
}

/// A price, digit by digit. One that is finer than money can be is not known.
fn price_of(raw: Option<&RawValue>) -> Option<Money> {
    Money::parse_non_negative(&text_of(raw)?).ok()
}

/// A text of the gateway's, short and without control characters: it is shown to people and logged.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
}

/// The text of a code.
fn meaning(code: u16) -> Option<&'static str> {
    Some(match code {
        100 => "accepted",
        101 => "the transmission to at least one recipient failed",
        201 => "the sender is not allowed",
        202 => "the recipient's number is not valid",
        300 => "the authentication is missing",
        301 => "the recipient is missing",
        304 => "the type is missing",
        305 => "the text is missing",
        306 => "the sender is not valid",
        307 => "an address is missing",
        400 => "the type is not valid",
        401 => "the text is too long",
        402 => "the same text went to this number within the last 180 seconds",
        403 => "the day's limit for this number is reached",
        500 => "our credit with the provider is used up",
        600 => "the carrier did not take it",
        700 => "an unknown error of the provider's",
        900 => "the provider refuses our key",
        901 => "the signature was refused",
        902 => "our key may not use this interface",
        903 => "our address is not allowed by the provider",
        _ => return None,
    })
}

/// The outcome of a message that was answered with a code.
///
/// 402 and 403 concern this recipient alone, so the provider is not left alone for them: the message is offered again later
/// (and 402 passes by itself). A message whose outcome is unknown is not submitted again, so 402 is never about itself.
fn by_code(code: u16, said: Option<&str>) -> Submitted {
    let told = said.map(shown).filter(|said| !said.is_empty());
    let reason = match (meaning(code), told) {
        (_, Some(said)) => format!("{code}: {said}"),
        (Some(meaning), None) => format!("{code}: {meaning}"),
        (None, None) => format!("the provider answers {code}"),
    };
    match code {
        100 => Submitted::Accepted(Accepted::default()),
        201 | 202 | 301 | 304..=307 | 400 | 401 => Submitted::Refused { reason },
        402 | 403 => Submitted::NotAccepted { reason, pause: None },
        600 | 700 => Submitted::NotAccepted { reason, pause: Some(SHORT_PAUSE) },
        300 | 500 | 900..=903 => Submitted::NotAccepted { reason, pause: Some(LONG_PAUSE) },
        _ => Submitted::Unknown { reason, accepted: Accepted::default() },
    }
}

/// A bare code: three digits, quoted or not.
pub(crate) fn bare_code(body: &str) -> Option<u16> {
    let body = body.trim();
    let digits = body.strip_prefix('"').and_then(|body| body.strip_suffix('"')).unwrap_or(body);
    (digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Parses the answer to `/sms`; `None` if it cannot be parsed.
pub(crate) fn submitted(body: &str) -> Option<Submitted> {
    if let Some(code) = bare_code(body) {
        return Some(by_code(code, None));
    }
    let answer: Answer<'_> = serde_json::from_str(body).ok()?;
    let overall = text_of(answer.success).and_then(|code| code.parse::<u16>().ok())?;
    let messages = answer.messages.unwrap_or_default();
    let taken: Vec<&Message<'_>> = messages.iter().filter(|one| one.success == Some(true)).collect();
    if taken.is_empty() {
        // It was one message to one recipient: what is said of it counts more than what is said of the whole.
        return Some(match messages.iter().find(|one| one.success == Some(false)) {
            Some(failed) => {
                let code = text_of(failed.error).and_then(|code| code.parse().ok());
                let said = text_of(failed.error_text);
                match code {
                    // "Not sent, and accepted" is no answer.
                    Some(100 | 101) => unclear("its answer contradicts itself", Accepted::default()),
                    Some(code) => by_code(code, said.as_deref()),
                    None if matches!(overall, 100 | 101) => Submitted::Refused {
                        reason: said.map_or_else(|| "without a reason".to_owned(), |said| shown(&said)),
                    },
                    None => by_code(overall, said.as_deref()),
                }
            }
            None => by_code(overall, None),
        });
    }
    let cost = if messages.len() == taken.len() && taken.iter().all(|one| one.price.is_some()) {
        let prices: Option<Vec<Money>> = taken.iter().map(|one| price_of(one.price)).collect();
        prices.and_then(Money::checked_sum)
    } else {
        price_of(answer.total_price)
    };
    let upstream_ids = taken.iter().filter_map(|one| text_of(one.id)).collect();
    let accepted = Accepted { upstream_ids, cost };
    if taken.len() < messages.len() {
        return Some(unclear("a part of it was not accepted", accepted));
    }
    Some(Submitted::Accepted(accepted))
}

/// The outcome of a message that may have been accepted.
pub(crate) fn unclear(reason: &str, accepted: Accepted) -> Submitted {
    Submitted::Unknown { reason: reason.to_owned(), accepted }
}

/// Finds the messages of our reference in the journal.
pub(crate) fn in_journal(body: &str, reference: &str) -> Option<Accepted> {
    let rows: Vec<Row<'_>> = serde_json::from_str(body).ok()?;
    let ours: Vec<&Row<'_>> =
        rows.iter().filter(|row| text_of(row.foreign_id).as_deref() == Some(reference)).collect();
    let upstream_ids: Vec<String> = ours.iter().filter_map(|row| text_of(row.id)).collect();
    if ours.is_empty() {
        return None;
    }
    let prices: Option<Vec<Money>> = ours.iter().map(|row| price_of(row.price)).collect();
    Some(Accepted { upstream_ids, cost: prices.and_then(Money::checked_sum) })
}

/// Parses the answer to `/status`: a state, and on the next line its time, in the gateway's time zone.
pub(crate) fn status(body: &str, upstream_id: &str, zone: &TimeZone) -> Option<Receipt> {
    let mut lines = body.trim().trim_matches('"').lines().map(str::trim);
    let state = lines.next()?;
    let (delivery, failed) = match state {
        "DELIVERED" => (Delivery::Delivered, false),
        "NOTDELIVERED" | "FAILED" => (Delivery::Failed, true),
        "BUFFERED" | "TRANSMITTED" | "ACCEPTED" => (Delivery::UnderWay, false),
        "EXPIRED" => (Delivery::Expired, true),
        "REJECTED" => (Delivery::Rejected, true),
        "UNKNOWN" => (Delivery::Unknown, false),
        _ => return None,
    };
    let at = lines.next().and_then(|stamp| local_time(stamp, zone));
    let failure = failed.then(|| state.to_owned());
    Some(Receipt { upstream_id: upstream_id.to_owned(), delivery, at, failure })
}

fn local_time(stamp: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local: DateTime = stamp.parse().ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded.
    const TAKEN: &str = r#"{"success":"100","total_price":0.075,"balance":54.013,"debug":"false","sms_type":"direct","messages":[{"id":"77214945865","sender":"491771783130","recipient":"49179999999999","text":"Hi","encoding":"gsm","label":null,"parts":1,"udh":null,"is_binary":false,"price":0.075,"success":true,"error":null,"error_text":null}]}"#;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn the_recorded_answer_is_understood_to_the_last_digit() {
        let taken = |price: &str| match submitted(&TAKEN.replace("\"price\":0.075", price)).unwrap() {
            Submitted::Accepted(accepted) => accepted,
            other => panic!("{other:?}"),
        };
        let accepted = taken("\"price\":0.075");
        assert_eq!(accepted.upstream_ids, ["77214945865"]);
        assert_eq!(accepted.cost, Some(money("0.075")));
        assert_eq!(taken("\"price\":0.100000001").cost, Some(money("0.100000001")));
        assert_eq!(taken("\"price\":\"0.3\"").cost, Some(money("0.3")));
        assert_eq!(taken("\"price\":0.0000000001").cost, None);
    }

    #[test]
    fn bare_codes_say_what_they_say() {
        assert_eq!(submitted("100"), Some(Submitted::Accepted(Accepted::default())));
        assert_eq!(submitted("\"100\"\n"), Some(Submitted::Accepted(Accepted::default())));
        for code in [201, 202, 301, 305, 401] {
            assert!(matches!(submitted(&code.to_string()), Some(Submitted::Refused { .. })), "{code}");
        }
        for (code, wanted) in [
            ("402", None),
            ("403", None),
            ("500", Some(LONG_PAUSE)),
            ("600", Some(SHORT_PAUSE)),
            ("\"900\"", Some(LONG_PAUSE)),
            ("903", Some(LONG_PAUSE)),
        ] {
            match submitted(code) {
                Some(Submitted::NotAccepted { pause, .. }) => assert_eq!(pause, wanted, "{code}"),
                other => panic!("{code}: {other:?}"),
            }
        }
        for code in ["101", "199", "999"] {
            assert!(matches!(submitted(code), Some(Submitted::Unknown { .. })), "{code}");
        }
    }

    #[test]
    fn what_is_said_of_the_message_counts() {
        let failed = |error: &str, text: &str| {
            let body = format!(
                r#"{{"success":"101","messages":[{{"id":null,"success":false,"error":{error},"error_text":{text}}}]}}"#
            );
            submitted(&body).unwrap()
        };
        assert_eq!(
            failed("\"202\"", "\"Invalid recipient\""),
            Submitted::Refused { reason: "202: Invalid recipient".to_owned() }
        );
        assert!(matches!(failed("402", "null"), Submitted::NotAccepted { pause: None, .. }));
        assert!(matches!(failed("null", "\"no route\""), Submitted::Refused { .. }));
        assert!(matches!(failed("\"100\"", "null"), Submitted::Unknown { .. }));
        assert!(matches!(
            submitted(r#"{"success":"500","messages":[]}"#),
            Some(Submitted::NotAccepted { .. })
        ));
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        for body in
            ["", "<html>", "{}", "[]", "null", "1000", "{\"success\":true}", "\"10\"", "{\"success\":\"100\""]
        {
            assert_eq!(submitted(body), None, "{body}");
        }
    }

    #[test]
    fn a_status_tells_the_state_and_when() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let told = status("DELIVERED\n2023-08-23 14:13:12.000", "7", &berlin).unwrap();
        assert_eq!(told.delivery, Delivery::Delivered);
        assert_eq!(told.at, Some("2023-08-23T12:13:12Z".parse().unwrap()));
        let told = status("NOTDELIVERED", "7", &berlin).unwrap();
        assert_eq!((told.delivery, told.at), (Delivery::Failed, None));
        assert_eq!(told.failure.as_deref(), Some("NOTDELIVERED"));
        for body in ["600", "", "<html>", "901"] {
            assert_eq!(status(body, "7", &berlin), None, "{body}");
        }
    }

    #[test]
    fn the_journal_is_searched_for_our_reference() {
        let journal = r#"[{"id":"1","to":"4917","foreign_id":null,"price":"0.1"},{"id":2,"foreign_id":"ab","price":"0.075"},{"id":"3","foreign_id":"abc","price":1}]"#;
        let found = in_journal(journal, "ab").unwrap();
        assert_eq!(found, Accepted { upstream_ids: vec!["2".to_owned()], cost: Some(money("0.075")) });
        assert_eq!(in_journal(journal, "zz"), None);
        assert_eq!(in_journal("900", "ab"), None);
    }
}
