//! The dialplan's requests, as values.
//!
//! All of it originates from a phone's input: lengths are bounded and characters checked before a value is used
//! elsewhere.

use std::net::IpAddr;

use crate::ledger::CallKey;

/// Maximum length of endpoint and server names, unique ids and dialled digits, in characters. Asterisk's own limit of
/// an extension is 80 characters.
const MAX_NAME: usize = 80;
/// Maximum length of a free text in an extra that is kept, in characters.
const MAX_EXTRA: usize = 128;
/// Maximum extras and attempts read from one request.
const MAX_ITEMS: usize = 32;
/// Maximum length of a part of a call key, in characters; the parts are stored in the ticket.
const MAX_KEY_PART: usize = 64;

impl std::fmt::Display for CallKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}.{}", self.server, self.unique_id, self.leg)
    }
}

/// Reason why a request cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument {position} ({name}) of {request}: {reason}")]
pub struct RequestError {
    request: &'static str,
    position: usize,
    name: &'static str,
    reason: &'static str,
}

/// An `authorize` request.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// The call.
    pub key: CallKey,
    /// Name of the peer.
    pub endpoint: String,
    /// Digits dialled.
    pub dialled: String,
    /// Caller number; may be empty.
    pub caller: String,
    /// Source address of the SIP request.
    pub source: Option<IpAddr>,
    /// Name of the calling channel; empty if it was missing or malformed.
    pub channel: String,
    /// Extras as `k=v` pairs.
    pub extras: Extras,
}

/// A `settle` request.
#[derive(Clone, Debug)]
pub struct SettleRequest {
    /// The call.
    pub key: CallKey,
    /// The ticket; empty to void the call's holds.
    pub ticket: String,
    /// Answered time in milliseconds, by Asterisk's wall clock.
    pub answered_ms: u64,
    /// `DIALSTATUS`.
    pub dial_status: String,
    /// Q.850 cause.
    pub cause: Option<u16>,
    /// Number of the route that was used; 0 if none.
    pub route: u32,
    /// Time of the answer, in µs since 1970.
    pub answered_at_us: Option<i64>,
    /// Time of the end, in µs since 1970.
    pub ended_at_us: Option<i64>,
    /// Attempts, one item for each route tried.
    pub attempts: Vec<Attempt>,
    /// Extras as `k=v` pairs.
    pub extras: Extras,
}

/// An attempt on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Number of the route.
    pub route: u32,
    /// `DIALSTATUS`.
    pub dial_status: String,
    /// Q.850 cause.
    pub cause: Option<u16>,
    /// Duration of the attempt, in milliseconds.
    pub ms: u64,
}

/// `k=v;…` pairs: the first value of a key counts; unknown keys are kept and not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras(Vec<(String, String)>);

impl Extras {
    fn parse(text: &str) -> Self {
        let pairs = text.split(';').take(MAX_ITEMS).filter_map(|pair| pair.split_once('='));
        let mut extras: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs {
            if !extras.iter().any(|(known, _)| known == key) && !value.is_empty() {
                extras.push((clean(key, MAX_NAME), clean(value, MAX_EXTRA)));
            }
        }
        Self(extras)
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

impl AuthorizeRequest {
    /// Parses the arguments of `agi://…/authorize`.
    pub fn parse(unique_id: &str, args: &[impl AsRef<str>]) -> Result<Self, RequestError> {
        let args = Args { request: "authorize", args };
        Ok(Self {
            key: args.key(unique_id, 4, 6)?,
            endpoint: args.text(1, "endpoint", MAX_NAME)?,
            dialled: args.text(2, "dialled digits", MAX_NAME)?,
            caller: args.text(3, "caller number", MAX_NAME)?,
            source: source(args.get(5)),
            channel: String::new(),
            extras: Extras::parse(args.get(7)),
        })
    }
}

impl AuthorizeRequest {
    /// Sets the name of the calling channel, which is needed to hang the call up.
    #[must_use]
    pub fn on_channel(mut self, name: &str) -> Self {
        if name.len() <= MAX_NAME && !name.chars().any(char::is_control) {
            name.clone_into(&mut self.channel);
        }
        self
    }
}

impl SettleRequest {
    /// Parses the arguments of `agi://…/settle`.
    pub fn parse(unique_id: &str, args: &[impl AsRef<str>]) -> Result<Self, RequestError> {
        let args = Args { request: "settle", args };
        let attempts = args.get(10).split(';').filter(|item| !item.is_empty()).take(MAX_ITEMS);
        Ok(Self {
            key: args.key(unique_id, 6, 7)?,
            ticket: args.get(1).to_owned(),
            answered_ms: args.number(2, "answered ms")?.unwrap_or(0),
            dial_status: args.text(3, "DIALSTATUS", MAX_NAME)?,
            cause: args.number(4, "HANGUPCAUSE")?.and_then(|cause| u16::try_from(cause).ok()),
            route: args.number(5, "route")?.and_then(|route| u32::try_from(route).ok()).unwrap_or(0),
            answered_at_us: args.number(8, "answer time")?.and_then(stamp),
            ended_at_us: args.number(9, "hangup time")?.and_then(stamp),
            attempts: attempts.filter_map(attempt).collect(),
            extras: Extras::parse(args.get(11)),
        })
    }
}

struct Args<'a, S> {
    request: &'static str,
    args: &'a [S],
}

impl<S: AsRef<str>> Args<'_, S> {
    /// Returns argument `position`, counted from 1; empty if it was left out.
    fn get(&self, position: usize) -> &str {
        self.args.get(position - 1).map_or("", AsRef::as_ref)
    }

    fn error(&self, position: usize, name: &'static str, reason: &'static str) -> RequestError {
        RequestError { request: self.request, position, name, reason }
    }

    fn text(&self, position: usize, name: &'static str, longest: usize) -> Result<String, RequestError> {
        let text = self.get(position);
        if text.len() > longest {
            return Err(self.error(position, name, "is too long"));
        }
        if text.chars().any(char::is_control) {
            return Err(self.error(position, name, "holds a control character"));
        }
        Ok(text.to_owned())
    }

    fn number(&self, position: usize, name: &'static str) -> Result<Option<u64>, RequestError> {
        match self.get(position) {
            "" => Ok(None),
            text if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| self.error(position, name, "is out of range"))
            }
            _ => Err(self.error(position, name, "is not a whole number")),
        }
    }

    fn key(
        &self,
        unique_id: &str,
        server_position: usize,
        leg_position: usize,
    ) -> Result<CallKey, RequestError> {
        let server = self.get(server_position);
        if !is_key_part(server) {
            return Err(self.error(
                server_position,
                "server name",
                "is empty, too long or has odd characters",
            ));
        }
        if !is_key_part(unique_id) {
            return Err(self.error(0, "agi_uniqueid", "is empty, too long or has odd characters"));
        }
        let leg = match self.number(leg_position, "leg")? {
            None => 1,
            Some(leg @ 1..=999) => u32::try_from(leg).unwrap_or(1),
            Some(_) => return Err(self.error(leg_position, "leg", "is out of range")),
        };
        Ok(CallKey { server: server.to_owned(), unique_id: unique_id.to_owned(), leg })
    }
}

fn is_key_part(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=MAX_KEY_PART).contains(&text.len()) && text.bytes().all(allowed)
}

/// Parses an address with or without a port, as `CHANNEL(pjsip,remote_addr)` writes it.
fn source(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

fn stamp(us: u64) -> Option<i64> {
    i64::try_from(us).ok().filter(|us| *us > 0)
}

fn attempt(item: &str) -> Option<Attempt> {
    let mut parts = item.split(':');
    Some(Attempt {
        route: parts.next()?.parse().ok()?,
        dial_status: clean(parts.next()?, MAX_NAME),
        cause: parts.next().and_then(|cause| cause.parse().ok()),
        ms: parts.next().and_then(|ms| ms.parse().ok()).unwrap_or(0),
    })
}

fn clean(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_authorize_request_reads_as_the_dialplan_wrote_it() {
        let args = ["1001", "4930123", "", "pbx1", "192.0.2.7:5060", "2", "cid=abc;x=;x=2"];
        let request = AuthorizeRequest::parse("pbx1-17.3", &args).unwrap();
        assert_eq!(request.key.to_string(), "pbx1/pbx1-17.3.2");
        assert_eq!(request.source, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(request.extras.get("cid"), Some("abc"));
        assert_eq!(request.extras.get("x"), Some("2"));
    }

    #[test]
    fn a_settle_request_reads_its_attempts_and_times() {
        let args = [
            "ticket",
            "3004",
            "ANSWER",
            "16",
            "2",
            "pbx1",
            "1",
            "1763800000000000",
            "1763800003004000",
            "1:CHANUNAVAIL:34:12;2:ANSWER:16:3100;rubbish",
            "sip_call_id=a@b;who=caller",
        ];
        let request = SettleRequest::parse("17.3", &args).unwrap();
        assert_eq!(request.answered_ms, 3_004);
        assert_eq!(request.attempts.len(), 2);
        assert_eq!(request.attempts[0].cause, Some(34));
        assert_eq!(request.extras.get("who"), Some("caller"));
    }

    #[test]
    fn odd_keys_and_numbers_are_refused_by_name() {
        let error = AuthorizeRequest::parse("1.1", &["a", "1", "", "pbx one", ""]).unwrap_err();
        assert!(error.to_string().contains("server name"), "{error}");
        assert!(AuthorizeRequest::parse("1.1\n", &["a", "1", "", "pbx", ""]).is_err());
        let error = SettleRequest::parse("1.1", &["", "3s", "", "", "", "pbx", "1"]).unwrap_err();
        assert!(error.to_string().contains("answered ms"), "{error}");
    }

    proptest! {
        #[test]
        fn no_arguments_make_the_readers_panic(
            id in ".{0,100}", args in proptest::collection::vec(".{0,120}", 0..14)
        ) {
            let _ = AuthorizeRequest::parse(&id, &args);
            let _ = SettleRequest::parse(&id, &args);
        }
    }
}
