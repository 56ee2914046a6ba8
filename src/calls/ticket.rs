//! The ticket: the signed reference to a grant that the channel carries.
//!
//! It holds the data for settling a call whose grant is lost: the call key, the payers, the versions, and the amount
//! and time of the grant. It holds no prices: they are read from the versions, which are never deleted. Maximum length
//! 480 characters of base64url, because Asterisk's manager shows no more than 511 of a variable.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secrets::{Purpose, Secrets};

/// Maximum length of a ticket, in characters.
pub const MAX_TICKET_CHARS: usize = 480;
/// Bytes kept of the HMAC-SHA256: 128 bits.
const MAC_BYTES: usize = 16;
/// Version of the layout, the first byte of every ticket.
const VERSION: u8 = 1;
/// Maximum payers of a chain, and maximum routes of a grant, in a ticket.
const MAX_LIST: usize = 16;

/// The part of a ticket for a payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketPayer {
    /// The account that pays.
    pub account_id: i64,
    /// The tariff version under the plan.
    pub tariff_version_id: i64,
    /// The plan versions from the base plan to the account's own.
    pub plan_version_ids: Vec<i64>,
}

/// The part of a ticket for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRoute {
    /// The trunk.
    pub trunk_id: i64,
    /// The version of its buy tariff.
    pub tariff_version_id: i64,
}

/// Contents of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Asterisk's `systemname`.
    pub server: String,
    /// The channel's unique id.
    pub unique_id: String,
    /// Number of the outgoing leg, from 1.
    pub leg: u32,
    /// Number called, E.164 digits.
    pub number: u64,
    /// Time of the grant, in µs since 1970.
    pub granted_at_us: i64,
    /// Duration that the caps allow, in seconds.
    pub limit_seconds: u32,
    /// Duration in seconds that every payer could pay at the grant: the maximum charge of a call known only from its
    /// ticket.
    pub affordable_seconds: u32,
    /// Maximum ringing time, in seconds.
    pub ring_seconds: u32,
    /// The payers, the client first.
    pub payers: Vec<TicketPayer>,
    /// The routes in the order they are tried.
    pub routes: Vec<TicketRoute>,
}

/// Reasons to refuse a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The grant does not fit into [`MAX_TICKET_CHARS`].
    #[error("the ticket would be longer than {MAX_TICKET_CHARS} characters")]
    TooLong,
    /// Not base64url, truncated, or of another layout.
    #[error("the ticket cannot be read")]
    Malformed,
    /// The signing key is not in the key file.
    #[error("the ticket was signed with a key that is not in the key file")]
    UnknownKey,
    /// The signature does not match.
    #[error("the ticket's signature is wrong")]
    BadSignature,
}

impl Ticket {
    /// Signs and encodes the ticket with the current key.
    pub fn seal(&self, secrets: &Secrets) -> Result<String, TicketError> {
        let mut out = Vec::with_capacity(192);
        out.push(VERSION);
        put(&mut out, u64::from(secrets.current_id()));
        put_text(&mut out, &self.server);
        put_text(&mut out, &self.unique_id);
        for number in [
            u64::from(self.leg),
            self.number,
            self.granted_at_us.cast_unsigned(),
            u64::from(self.limit_seconds),
            u64::from(self.affordable_seconds),
            u64::from(self.ring_seconds),
            self.payers.len() as u64,
        ] {
            put(&mut out, number);
        }
        for payer in &self.payers {
            put(&mut out, payer.account_id.cast_unsigned());
            put(&mut out, payer.tariff_version_id.cast_unsigned());
            put(&mut out, payer.plan_version_ids.len() as u64);
            for id in &payer.plan_version_ids {
                put(&mut out, id.cast_unsigned());
            }
        }
        put(&mut out, self.routes.len() as u64);
        for route in &self.routes {
            put(&mut out, route.trunk_id.cast_unsigned());
            put(&mut out, route.tariff_version_id.cast_unsigned());
        }
        let mac = sign(&secrets.current_key(Purpose::Ticket), &out);
        out.extend_from_slice(&mac);
        let text = BASE64URL.encode(&out);
        if text.len() > MAX_TICKET_CHARS { Err(TicketError::TooLong) } else { Ok(text) }
    }

    /// Decodes a ticket and checks its signature.
    pub fn open(text: &str, secrets: &Secrets) -> Result<Self, TicketError> {
        if text.len() > MAX_TICKET_CHARS {
            return Err(TicketError::Malformed);
        }
        let bytes = BASE64URL.decode(text).map_err(|_| TicketError::Malformed)?;
        let split = bytes.len().checked_sub(MAC_BYTES).ok_or(TicketError::Malformed)?;
        let (body, mac) = bytes.split_at(split);
        let mut reader = Reader { rest: body };
        if reader.byte()? != VERSION {
            return Err(TicketError::Malformed);
        }
        let key_id = u16::try_from(reader.number()?).map_err(|_| TicketError::Malformed)?;
        let key = secrets.key(key_id, Purpose::Ticket).ok_or(TicketError::UnknownKey)?;
        verify(&key, body, mac)?;
        reader.ticket()
    }

    /// Decodes a ticket's fields, without version, key and signature.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_fields(bytes: &[u8]) -> Result<Self, TicketError> {
        Reader { rest: bytes }.ticket()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, TicketError> {
        let (first, rest) = self.rest.split_first().ok_or(TicketError::Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, TicketError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            value |= part.checked_shl(shift).filter(|v| v >> shift == part).ok_or(TicketError::Malformed)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(TicketError::Malformed)
    }

    fn signed(&mut self) -> Result<i64, TicketError> {
        Ok(self.number()?.cast_signed())
    }

    fn small(&mut self) -> Result<u32, TicketError> {
        u32::try_from(self.number()?).map_err(|_| TicketError::Malformed)
    }

    fn count(&mut self) -> Result<usize, TicketError> {
        match usize::try_from(self.number()?) {
            Ok(count) if count <= MAX_LIST => Ok(count),
            _ => Err(TicketError::Malformed),
        }
    }

    fn text(&mut self) -> Result<String, TicketError> {
        let length = usize::try_from(self.number()?).map_err(|_| TicketError::Malformed)?;
        if length > self.rest.len() {
            return Err(TicketError::Malformed);
        }
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        String::from_utf8(text.to_vec()).map_err(|_| TicketError::Malformed)
    }

    fn ticket(mut self) -> Result<Ticket, TicketError> {
        let server = self.text()?;
        let unique_id = self.text()?;
        let leg = self.small()?;
        let number = self.number()?;
        let granted_at_us = self.signed()?;
        let limit_seconds = self.small()?;
        let affordable_seconds = self.small()?;
        let ring_seconds = self.small()?;
        let mut payers = Vec::new();
        for _ in 0..self.count()? {
            let account_id = self.signed()?;
            let tariff_version_id = self.signed()?;
            let plan_version_ids =
                (0..self.count()?).map(|_| self.signed()).collect::<Result<Vec<_>, _>>()?;
            payers.push(TicketPayer { account_id, tariff_version_id, plan_version_ids });
        }
        let mut routes = Vec::new();
        for _ in 0..self.count()? {
            routes.push(TicketRoute { trunk_id: self.signed()?, tariff_version_id: self.signed()? });
        }
        if !self.rest.is_empty() {
            return Err(TicketError::Malformed);
        }
        Ok(Ticket {
            server,
            unique_id,
            leg,
            number,
            granted_at_us,
            limit_seconds,
            affordable_seconds,
            ring_seconds,
            payers,
            routes,
        })
    }
}

/// Appends a number with seven bits per byte, lowest first, the top bit set on all but the last.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn sign(key: &[u8; 32], body: &[u8]) -> [u8; MAC_BYTES] {
    let mut short = [0_u8; MAC_BYTES];
    // HMAC accepts a key of any length, so there is always a MAC.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(body);
        short.copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
    }
    short
}

fn verify(key: &[u8; 32], body: &[u8], short: &[u8]) -> Result<(), TicketError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| TicketError::BadSignature)?;
    mac.update(body);
    mac.verify_truncated_left(short).map_err(|_| TicketError::BadSignature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            server: "pbx1".to_owned(),
            unique_id: "pbx1-1763800000.42".to_owned(),
            leg: 1,
            number: 4_930_123_456,
            granted_at_us: 1_763_800_000_000_000,
            limit_seconds: 14_400,
            affordable_seconds: 310,
            ring_seconds: 90,
            payers: vec![
                TicketPayer { account_id: 101, tariff_version_id: 7, plan_version_ids: vec![3, 9] },
                TicketPayer { account_id: 100, tariff_version_id: 7, plan_version_ids: vec![3] },
            ],
            routes: vec![TicketRoute { trunk_id: 1, tariff_version_id: 8 }],
        }
    }

    #[test]
    fn a_ticket_reads_back_as_it_was() {
        let secrets = Secrets::ephemeral();
        let text = ticket().seal(&secrets).unwrap();
        assert!(text.len() <= 160, "{}", text.len());
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(Ticket::open(&text, &secrets).unwrap(), ticket());
    }

    #[test]
    fn the_longest_chain_with_long_names_still_fits() {
        let mut ticket = ticket();
        ticket.server = "s".repeat(40);
        ticket.unique_id = "u".repeat(70);
        ticket.payers = (0..4)
            .map(|n| TicketPayer {
                account_id: 9_000_000 + n,
                tariff_version_id: 900_000,
                plan_version_ids: vec![90_000; 5],
            })
            .collect();
        ticket.routes = vec![TicketRoute { trunk_id: 9_000, tariff_version_id: 900_000 }; 9];
        assert!(ticket.seal(&Secrets::ephemeral()).unwrap().len() <= MAX_TICKET_CHARS);
        ticket.unique_id = "u".repeat(400);
        assert_eq!(ticket.seal(&Secrets::ephemeral()), Err(TicketError::TooLong));
    }

    #[test]
    fn another_deployments_ticket_is_refused() {
        let text = ticket().seal(&Secrets::ephemeral()).unwrap();
        assert_eq!(Ticket::open(&text, &Secrets::ephemeral()), Err(TicketError::BadSignature));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_never_accepted(at in 0_usize..200, to in "[A-Za-z0-9_-]") {
            let secrets = Secrets::ephemeral();
            let text = ticket().seal(&secrets).unwrap();
            let at = at % text.len();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert!(Ticket::open(&changed, &secrets).is_err());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9_-]{0,500}") {
            prop_assert!(Ticket::open(&text, &Secrets::ephemeral()).is_err());
        }
    }
}
