//! Delivery receipts in `deliver_sm`: by parameters where the SMSC sends them, else by the text of appendix B of SMPP 3.4:
//!
//! ```text
//! id:0123456789 sub:001 dlvrd:001 submit date:2308231413 done date:2308231414 stat:DELIVRD err:000 text:Hello
//! ```

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusmpp::pdus::DeliverSm;
use rusmpp::tlvs::TlvValue;

use crate::messaging::connector::{Delivery, Receipt};

/// The bits of `esm_class` for the type of a message.
const TYPE_BITS: u8 = 0b0010_0100;
/// How much of a failure's code is kept.
const MAX_FAILURE_CHARS: usize = 40;

/// The content of a `deliver_sm`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// A receipt.
    Receipt(Receipt),
    /// A receipt without the id of its message.
    Unreadable,
    /// A message to us.
    Message,
}

/// Reads it; `zone` is the one that times in its text are of.
pub(crate) fn read(pdu: &DeliverSm, zone: &TimeZone) -> Delivered {
    let mut id = None;
    let mut state = None;
    let mut payload: &[u8] = &[];
    let mut network_error = None;
    for value in pdu.tlvs().iter().filter_map(rusmpp::tlvs::Tlv::value) {
        match value {
            TlvValue::ReceiptedMessageId(value) => id = Some(value.as_str().to_owned()),
            TlvValue::MessageState(value) => state = Some(u8::from(*value)),
            TlvValue::MessagePayload(value) => payload = value.value.as_ref(),
            TlvValue::NetworkErrorCode(value) => network_error = Some(value.error_code),
            _ => {}
        }
    }
    let is_receipt = u8::from(pdu.esm_class) & TYPE_BITS != 0;
    if !is_receipt && id.is_none() {
        return Delivered::Message;
    }
    let short = pdu.short_message().as_ref();
    let text = String::from_utf8_lossy(if short.is_empty() { payload } else { short });
    let id = id.filter(|id| !id.is_empty()).or_else(|| field(&text, "id").map(str::to_owned));
    let delivery = state.map(by_state).or_else(|| field(&text, "stat").map(by_word));
    let (Some(upstream_id), Some(delivery)) = (id, delivery) else { return Delivered::Unreadable };
    let failure = match delivery {
        Delivery::Failed | Delivery::Expired | Delivery::Rejected => field(&text, "err")
            .filter(|code| code.bytes().any(|b| b != b'0'))
            .map(|code| code.chars().take(MAX_FAILURE_CHARS).collect())
            .or_else(|| network_error.map(|code| code.to_string())),
        _ => None,
    };
    let at = field(&text, "done date").and_then(|stamp| time(stamp, zone));
    Delivered::Receipt(Receipt { upstream_id, delivery, at, failure })
}

/// The word after `name:`, at the beginning or after a space.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_here = |at: usize| {
        let begins = at == 0 || text.as_bytes()[at - 1] == b' ';
        let named = text.get(at..at + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        begins && named && text.as_bytes().get(at + name.len()) == Some(&b':')
    };
    // The text of the message comes last and is ignored.
    let end = text.to_ascii_lowercase().find(" text:").unwrap_or(text.len());
    let at = (0..end).find(|at| is_here(*at))?;
    let word = text.get(at + name.len() + 1..end)?.split(' ').next()?;
    (!word.is_empty() && !word.chars().any(char::is_control)).then_some(word)
}

const fn by_state(state: u8) -> Delivery {
    match state {
        0 | 1 | 6 => Delivery::UnderWay,
        2 => Delivery::Delivered,
        3 => Delivery::Expired,
        4 | 5 | 9 => Delivery::Failed,
        8 => Delivery::Rejected,
        _ => Delivery::Unknown,
    }
}

fn by_word(word: &str) -> Delivery {
    let word = word.to_ascii_uppercase();
    let begins = |beginning: &str| word.starts_with(beginning);
    if begins("DELIV") {
        Delivery::Delivered
    } else if begins("EXPIR") {
        Delivery::Expired
    } else if begins("UNDEL") || begins("DELET") || begins("SKIP") || begins("FAIL") {
        Delivery::Failed
    } else if begins("REJECT") {
        Delivery::Rejected
    } else if ["ENROUTE", "ACCEP", "SCHED", "BUFF"].into_iter().any(begins) {
        Delivery::UnderWay
    } else {
        Delivery::Unknown
    }
}

/// `YYMMDDhhmm`, with or without seconds.
fn time(stamp: &str, zone: &TimeZone) -> Option<Timestamp> {
    if !matches!(stamp.len(), 10 | 12) || !stamp.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let pair = |at: usize| stamp.get(at..at + 2).map_or(Some(0), |digits| digits.parse::<i8>().ok());
    let year = 2_000 + i16::from(pair(0)?);
    let local = DateTime::new(year, pair(2)?, pair(4)?, pair(6)?, pair(8)?, pair(10)?, 0).ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use rusmpp::tlvs::MessageDeliveryRequestTlvValue as Tlv;
    use rusmpp::types::{COctetString, OctetString};
    use rusmpp::values::{EsmClass, MessageState};

    use super::*;

    fn delivered(text: &str, esm_class: u8, tlvs: Vec<Tlv>) -> Delivered {
        let mut pdu = DeliverSm::default();
        pdu.esm_class = EsmClass::from(esm_class);
        pdu.set_short_message(OctetString::from_slice(text.as_bytes()).unwrap());
        pdu.set_tlvs(tlvs);
        read(&pdu, &TimeZone::UTC)
    }

    fn receipt(text: &str) -> Receipt {
        match delivered(text, 4, Vec::new()) {
            Delivered::Receipt(receipt) => receipt,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_text_of_the_specification_is_read() {
        let value = receipt(
            "id:0123456789 sub:001 dlvrd:001 submit date:2308231413 done date:2308231414 stat:DELIVRD err:000 text:id:9 stat:X",
        );
        assert_eq!(value.upstream_id, "0123456789");
        assert_eq!((value.delivery, value.failure), (Delivery::Delivered, None));
        assert_eq!(value.at, Some("2023-08-23T14:14:00Z".parse().unwrap()));
        let value = receipt("id:a-1 done date:230823141459 stat:UNDELIV err:12b Text:");
        assert_eq!((value.delivery, value.failure.as_deref()), (Delivery::Failed, Some("12b")));
        assert_eq!(value.at, Some("2023-08-23T14:14:59Z".parse().unwrap()));
        for (word, delivery) in [
            ("EXPIRED", Delivery::Expired),
            ("DELETED", Delivery::Failed),
            ("REJECTD", Delivery::Rejected),
            ("ACCEPTD", Delivery::UnderWay),
            ("ENROUTE", Delivery::UnderWay),
            ("UNKNOWN", Delivery::Unknown),
            ("delivered", Delivery::Delivered),
            ("whatever", Delivery::Unknown),
        ] {
            assert_eq!(receipt(&format!("ID:1 STAT:{word}")).delivery, delivery, "{word}");
        }
        assert_eq!(receipt("id:1 done date:9999999999 stat:DELIVRD").at, None);
    }

    #[test]
    fn parameters_count_more_than_the_text() {
        let tlvs = || {
            vec![
                Tlv::ReceiptedMessageId(COctetString::from_slice(b"tlv\0").unwrap()),
                Tlv::MessageState(MessageState::Expired),
            ]
        };
        for esm_class in [4, 0] {
            match delivered("id:text stat:DELIVRD", esm_class, tlvs()) {
                Delivered::Receipt(value) => {
                    assert_eq!((value.upstream_id.as_str(), value.delivery), ("tlv", Delivery::Expired));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_receipt_is_none() {
        assert_eq!(delivered("id:1 stat:DELIVRD", 0, Vec::new()), Delivered::Message);
        for text in
            ["", "hello", "id: stat:DELIVRD", "xid:1 stat:DELIVRD", "id:1", "text:id:1 stat:DELIVRD", "é:é"]
        {
            assert_eq!(delivered(text, 4, Vec::new()), Delivered::Unreadable, "{text}");
        }
    }
}
