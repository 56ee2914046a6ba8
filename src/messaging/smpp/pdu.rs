//! PDUs of SMPP 3.4: encoding, decoding, and the meaning of a status.
//!
//! A PDU is 16 octets of header and a body:
//!
//! ```text
//! 0000002f 00000004 00000000 00000007 …
//! length   command  status   sequence  body
//! ```
//!
//! It is cut from the stream by its length first and understood then, so that one that cannot be understood spoils nothing
//! that comes after it.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use rusmpp::decode::DecodeWithLength as _;
use rusmpp::encode::{Encode as _, Length as _};
use rusmpp::pdus::{BindTransceiver, DeliverSmResp, SubmitSm};
use rusmpp::tlvs::MessageSubmissionRequestTlvValue;
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, InterfaceVersion, MessagePayload, Npi, RegisteredDelivery, Ton};
use rusmpp::{Command, CommandStatus, Pdu};

use super::settings::Settings;
use crate::config::LongMessages;
use crate::messaging::alphabet;
use crate::messaging::connector::{Encoding, Outgoing};

/// The largest PDU that is accepted: a receipt has a few hundred octets.
pub(super) const MAX_PDU: usize = 16 * 1_024;
/// A header's octets.
const HEADER: usize = 16;
/// The bit that makes a command an answer.
const RESPONSE: u32 = 0x8000_0000;
/// The header says that more than one byte of text follows it.
const UDHI: u8 = 0x40;
/// The parts that one text can have: their count is an octet.
const MAX_PARTS: usize = 255;
/// The longest whole text: the SMSC cuts it into as many parts.
const MAX_PAYLOAD: usize = 255 * 153;

pub(super) const BIND_TRANSCEIVER_RESP: u32 = 0x8000_0009;
pub(super) const SUBMIT_SM_RESP: u32 = 0x8000_0004;
pub(super) const DELIVER_SM: u32 = 0x0000_0005;
pub(super) const UNBIND: u32 = 0x0000_0006;
pub(super) const UNBIND_RESP: u32 = 0x8000_0006;
pub(super) const ENQUIRE_LINK: u32 = 0x0000_0015;
pub(super) const GENERIC_NACK: u32 = 0x8000_0000;

/// A PDU as it came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The command.
    pub(crate) id: u32,
    /// The command status.
    pub(crate) status: u32,
    /// Which one it is, or answers.
    pub(crate) sequence: u32,
    /// All of it behind its length.
    rest: BytesMut,
}

impl Frame {
    /// Of a whole PDU; `None` where it is shorter than a header.
    pub(crate) fn new(mut pdu: BytesMut) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(pdu.get(at..at + 4)?.try_into().ok()?));
        let (id, status, sequence) = (word(4)?, word(8)?, word(12)?);
        let rest = pdu.split_off(4);
        Some(Self { id, status, sequence, rest })
    }

    /// Reports whether it answers something of ours.
    pub(crate) const fn is_response(&self) -> bool {
        self.id & RESPONSE != 0
    }

    /// Its body; `None` where it has none or it is not what its command has.
    pub(crate) fn pdu(mut self) -> Option<Pdu> {
        if self.rest.len() <= HEADER - 4 {
            return None;
        }
        let length = self.rest.len();
        let (command, _) = Command::decode(&mut self.rest, length).ok()?;
        command.pdu().cloned()
    }

    /// The SMSC's id of an accepted message, if it returns a readable one.
    pub(crate) fn message_id(self) -> Option<String> {
        match self.pdu()? {
            Pdu::SubmitSmResp(answer) => {
                Some(answer.message_id().as_str().to_owned()).filter(|id| !id.is_empty())
            }
            _ => None,
        }
    }
}

/// Writes a PDU.
pub(crate) fn write(out: &mut BytesMut, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
    let command = Command::new(status, sequence, pdu);
    let length = 4 + command.length();
    out.reserve(length);
    // Nothing that we write comes near 4 GiB.
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    let at = out.len();
    out.resize(at + length - 4, 0);
    command.encode(&mut out[at..]);
}

/// The answer to a delivered message.
pub(super) fn deliver_sm_resp() -> Pdu {
    DeliverSmResp::default().into()
}

/// Asks to be let in. `None` where a setting has no place in it.
pub(super) fn bind(settings: &Settings) -> Option<Pdu> {
    Some(
        BindTransceiver::builder()
            .system_id(text(&settings.system_id)?)
            .password(text(settings.password.reveal())?)
            .system_type(text(&settings.system_type)?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build()
            .into(),
    )
}

fn text<const LONGEST: usize>(text: &str) -> Option<COctetString<1, LONGEST>> {
    COctetString::from_slice(&[text.as_bytes(), b"\0"].concat()).ok()
}

/// Encodes a message as PDUs, in order; `reference` distinguishes its parts from those of other messages. The error is the
/// reason for which it cannot be encoded.
pub(crate) fn submissions(
    message: &Outgoing,
    long: LongMessages,
    reference: u8,
) -> Result<Vec<SubmitSm>, &'static str> {
    let unwritable = "the text has characters that its alphabet has not";
    let parts = alphabet::parts(&message.text, message.encoding).ok_or(unwritable)?;
    let head = head(message)?;
    if let [only] = parts.as_slice() {
        return Ok(vec![with_bytes(&head, 0, only.clone())?]);
    }
    if long == LongMessages::Payload {
        let whole = alphabet::whole(&message.text, message.encoding).ok_or(unwritable)?;
        if whole.len() > MAX_PAYLOAD {
            return Err("the text is too long");
        }
        let mut pdu = head;
        let payload = MessagePayload::new(AnyOctetString::from_vec(whole));
        pdu.push_tlv(MessageSubmissionRequestTlvValue::MessagePayload(payload));
        return Ok(vec![pdu]);
    }
    if parts.len() > MAX_PARTS {
        return Err("the text is too long");
    }
    let count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
    let numbered = (1..=count).zip(parts);
    numbered
        .map(|(number, part)| {
            // Length of the header; concatenation with an 8-bit reference; its length; reference, count, number.
            let header = [5, 0, 3, reference, count, number];
            with_bytes(&head, UDHI, [header.as_slice(), &part].concat())
        })
        .collect()
}

fn with_bytes(head: &SubmitSm, features: u8, bytes: Vec<u8>) -> Result<SubmitSm, &'static str> {
    let mut pdu = head.clone();
    // Not the library's default, which sets a bit of another network's.
    pdu.esm_class = EsmClass::from(features);
    pdu.set_short_message(OctetString::from_vec(bytes).map_err(|_| "the text is too long")?);
    Ok(pdu)
}

/// All but the text.
fn head(message: &Outgoing) -> Result<SubmitSm, &'static str> {
    let sender = message.sender_id.as_deref().unwrap_or_default();
    let digits = sender.strip_prefix('+').unwrap_or(sender);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (sender, ton, npi) = match digits.len() {
        0 => ("", Ton::Unknown, Npi::Unknown),
        // Short codes are the network's own.
        1..=6 if is_number => (digits, Ton::NetworkSpecific, Npi::Unknown),
        _ if is_number => (digits, Ton::International, Npi::Isdn),
        _ => (sender, Ton::Alphanumeric, Npi::Unknown),
    };
    let data_coding = match message.encoding {
        Encoding::Gsm7 => DataCoding::McSpecific,
        Encoding::Ucs2 => DataCoding::Ucs2,
    };
    let mut pdu = SubmitSm::builder()
        .source_addr_ton(ton)
        .source_addr_npi(npi)
        .source_addr(text(sender).ok_or("the sender cannot be written")?)
        .dest_addr_ton(Ton::International)
        .dest_addr_npi(Npi::Isdn)
        .destination_addr(text(&message.to).ok_or("the recipient cannot be written")?)
        .registered_delivery(RegisteredDelivery::from(1))
        .data_coding(data_coding)
        .build();
    pdu.esm_class = EsmClass::from(0);
    Ok(pdu)
}

/// The meaning of a status for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Taken.
    Accepted,
    /// Not accepted now; the SMSC wants a pause.
    Later(Duration),
    /// Refused for good.
    Never,
}

/// The meaning of a status of `submit_sm_resp`.
pub(crate) const fn verdict(status: u32) -> Verdict {
    match status {
        0 => Verdict::Accepted,
        // Throttled.
        0x58 => Verdict::Later(Duration::from_secs(1)),
        // Its queue is full, a system error, not bound, temporary, the service is not available.
        0x14 | 0x08 | 0x04 | 0x64 | 0x0102 => Verdict::Later(Duration::from_secs(5)),
        _ => Verdict::Never,
    }
}

/// Reports whether a refused bind may be let in soon: an older session is still known there, or it is busy.
pub(super) const fn is_passing(status: u32) -> bool {
    matches!(status, 0x05 | 0x08 | 0x14 | 0x58 | 0x64)
}

/// A status as the specification names it, with its number.
pub(crate) fn status_name(status: u32) -> String {
    let name = match CommandStatus::from(status) {
        CommandStatus::Other(_) => String::new(),
        known => format!("{known:?}").to_ascii_uppercase().replacen("ESMER", "ESME_R", 1) + " ",
    };
    format!("{name}0x{status:08X}")
}

/// The bytes of a PDU.
#[cfg(test)]
pub(super) fn frame_of(sequence: u32, status: CommandStatus, pdu: impl Into<Pdu>) -> Frame {
    let mut out = BytesMut::new();
    write(&mut out, status, sequence, pdu);
    Frame::new(out).unwrap()
}

#[cfg(test)]
mod tests {
    use rusmpp::pdus::SubmitSmResp;

    use super::*;

    fn message(text: &str, encoding: Encoding) -> Outgoing {
        Outgoing {
            reference: "0".repeat(32),
            to: "4915112345678".to_owned(),
            sender_id: Some("Tollgate".to_owned()),
            text: text.to_owned(),
            encoding,
            segments: 1,
        }
    }

    #[test]
    fn a_short_message_is_written_octet_by_octet() {
        let pdus = submissions(&message("a€", Encoding::Gsm7), LongMessages::Udh, 7).unwrap();
        let mut out = BytesMut::new();
        write(&mut out, CommandStatus::EsmeRok, 3, pdus[0].clone());
        let mut wanted = vec![0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3];
        wanted.extend(b"\0\x05\x00Tollgate\0\x01\x014915112345678\0");
        // esm_class, protocol_id, priority_flag, two empty times, registered_delivery, replace, coding, canned, length.
        wanted.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 3, b'a', 0x1b, 0x65]);
        wanted[3] = u8::try_from(wanted.len()).unwrap();
        assert_eq!(out.to_vec(), wanted);
    }

    #[test]
    fn senders_get_the_type_that_they_are_of() {
        let of = |sender: Option<&str>| {
            let message = Outgoing { sender_id: sender.map(str::to_owned), ..message("a", Encoding::Gsm7) };
            let pdu = submissions(&message, LongMessages::Udh, 0).unwrap().remove(0);
            (
                pdu.source_addr.as_str().to_owned(),
                u8::from(pdu.source_addr_ton),
                u8::from(pdu.source_addr_npi),
            )
        };
        assert_eq!(of(Some("Tollgate")), ("Tollgate".to_owned(), 5, 0));
        assert_eq!(of(Some("+4915100000001")), ("4915100000001".to_owned(), 1, 1));
        assert_eq!(of(Some("72000")), ("72000".to_owned(), 3, 0));
        assert_eq!(of(None), (String::new(), 0, 0));
    }

    #[test]
    fn long_texts_go_in_numbered_parts_or_whole() {
        let long = "я".repeat(140);
        let parts = submissions(&message(&long, Encoding::Ucs2), LongMessages::Udh, 9).unwrap();
        let headers: Vec<_> = parts.iter().map(|pdu| pdu.short_message().as_ref()[..6].to_vec()).collect();
        assert_eq!(headers, [[5, 0, 3, 9, 3, 1], [5, 0, 3, 9, 3, 2], [5, 0, 3, 9, 3, 3]]);
        assert!(parts.iter().all(|pdu| u8::from(pdu.esm_class) == UDHI));
        let whole = submissions(&message(&long, Encoding::Ucs2), LongMessages::Payload, 9).unwrap();
        assert_eq!((whole.len(), whole[0].sm_length(), whole[0].tlvs().len()), (1, 0, 1));
        let endless = message(&"a".repeat(153 * 255 + 1), Encoding::Gsm7);
        assert!(submissions(&endless, LongMessages::Udh, 9).is_err());
        assert!(submissions(&endless, LongMessages::Payload, 9).is_err());
        assert!(submissions(&message("я", Encoding::Gsm7), LongMessages::Udh, 9).is_err());
    }

    #[test]
    fn an_answer_without_a_body_or_with_a_spoilt_one_is_still_an_answer() {
        let header = |length: u8, body: &[u8]| {
            let mut pdu = vec![0, 0, 0, length, 0x80, 0, 0, 4, 0, 0, 0, 0x58, 0, 0, 0, 9];
            pdu.extend(body);
            Frame::new(BytesMut::from(pdu.as_slice()))
        };
        let bare = header(16, b"").unwrap();
        assert_eq!((bare.id, bare.status, bare.sequence), (SUBMIT_SM_RESP, 0x58, 9));
        assert_eq!(bare.message_id(), None);
        assert_eq!(header(19, b"\xff\xfe\xfd").unwrap().message_id(), None);
        assert_eq!(header(20, b"abc\0").unwrap().message_id(), Some("abc".to_owned()));
        assert!(Frame::new(BytesMut::from(&[0, 0, 0, 8, 0, 0, 0, 4][..])).is_none());
        let answer = SubmitSmResp::default();
        assert_eq!(frame_of(1, CommandStatus::EsmeRok, answer).message_id(), None);
    }

    #[test]
    fn statuses_are_named() {
        assert_eq!(status_name(0x58), "ESME_RTHROTTLED 0x00000058");
        assert_eq!(status_name(0x0b), "ESME_RINVDSTADR 0x0000000B");
        assert_eq!(status_name(0x0401), "0x00000401");
        assert_eq!(verdict(0), Verdict::Accepted);
        assert!(matches!(verdict(0x58), Verdict::Later(_)));
        assert_eq!(verdict(0x0b), Verdict::Never);
    }
}
