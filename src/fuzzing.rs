//! Entry points of the fuzz targets under `fuzz/`, for parsers that are not reachable from outside of the crate. Built
//! only with the feature `fuzzing`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::BytesMut;
use jiff::tz::TimeZone;
use rusmpp::pdus::SubmitSm;
use rusmpp::{CommandStatus, Pdu};
use serde::Deserialize;

use crate::ami::{ChannelRow, Message};
use crate::api::amount::{Amount, PercentIn};
use crate::api::body;
use crate::api::endpoint::Verb;
use crate::api::error::ApiError;
use crate::api::query::{Page, Parameters, ShortPage};
use crate::api::subaccounts::{parameters, signing};
use crate::api::surface::Surface;
use crate::calls::ticket::{Ticket, TicketError};
use crate::config::LongMessages;
use crate::esim::upstream::esim_access::{answer as esim, notice};
use crate::ledger::spool::{Kept, frames};
use crate::messaging::alphabet;
use crate::messaging::connector::{Accepted, Encoding, Outgoing, Receipt, Submitted};
use crate::messaging::http::answer as gateway;
use crate::messaging::smpp::{pdu, receipt};
use crate::peers::realtime;
use crate::sip::rows;

/// A body with a field of every type that endpoints accept.
#[derive(Debug, Deserialize)]
pub struct Body {
    /// A text.
    pub login: String,
    /// An amount of money.
    pub amount: Amount,
    /// A percentage.
    #[serde(default)]
    pub percent: Option<PercentIn>,
    /// An optional text.
    #[serde(default)]
    pub note: Option<String>,
    /// An integer.
    #[serde(default)]
    pub limit: Option<i64>,
    /// A boolean.
    #[serde(default)]
    pub active: Option<bool>,
    /// A list.
    #[serde(default)]
    pub recipients: Option<Vec<String>>,
}

/// Parses a body as endpoints do.
pub fn json_body(bytes: &[u8], ignore_unknown: bool) -> Result<Body, ApiError> {
    body::read(bytes, ignore_unknown)
}

/// Returns the field names of [`Body`].
pub fn json_body_names() -> &'static [&'static str] {
    body::field_names::<Body>()
}

/// Lists every endpoint: its name, and true if it has a body.
pub fn endpoints() -> Vec<(&'static str, bool)> {
    let routes = Surface::ALL.into_iter().flat_map(Surface::routes);
    routes.map(|route| (route.name, route.verb == Verb::Post)).collect()
}

/// Parses body and query of the endpoint at an index in [`endpoints`] without executing it.
pub fn read_endpoint(at: usize, body: &[u8], query: &str) -> Option<Result<(), ApiError>> {
    let mut routes = Surface::ALL.into_iter().flat_map(Surface::routes);
    routes.nth(at).map(|route| (route.read)(body, query))
}

/// Parses the parameters of a URL: the value of a name, and both forms of pagination.
pub fn query(
    text: &str,
    name: &str,
) -> Result<(Option<String>, [Result<(i64, i64), ApiError>; 2]), ApiError> {
    let read = Parameters::read(Some(text))?;
    let long = read.typed::<Page>().map(|page| (page.limit.0, page.offset.0));
    let short = read.typed::<ShortPage>().map(|page| (page.limit.0, page.offset.0));
    Ok((read.get(name).map(str::to_owned), [long, short]))
}

/// Reads a parameter of the subaccounts API; `None` if the body cannot be parsed.
pub fn subaccount_parameter(query: &str, body: &[u8], name: &str) -> Option<Option<String>> {
    let read = parameters::Parameters::read(query, body).ok()?;
    Some(read.get(name).map(str::to_owned))
}

/// Parses the bytes of an `X-Signature`.
pub fn signature(text: &str) -> Option<Vec<u8>> {
    signing::from_hex(text)
}

/// Parses the fields of a ticket without its signature.
pub fn ticket_fields(bytes: &[u8]) -> Result<Ticket, TicketError> {
    Ticket::of_fields(bytes)
}

/// A parsed spool file: its ledger, the whole frames as records, bytes lost between them, and its end.
#[derive(Debug)]
pub struct SpoolFile {
    /// Name of the ledger.
    pub book: String,
    /// Offset of the first frame.
    pub begin: usize,
    /// Range of each whole frame, and its record if it decodes.
    pub frames: Vec<(std::ops::Range<usize>, Option<Kept>)>,
    /// Number of bytes before the last frame that belong to no frame.
    pub damaged: usize,
    /// End of the last whole frame.
    pub end: usize,
}

/// Parses a spool file.
pub fn spool_file(bytes: &[u8]) -> Option<SpoolFile> {
    let (book, begin) = frames::read_header(bytes)?;
    let found = frames::scan(bytes, begin);
    let record = |at: std::ops::Range<usize>| (at.clone(), frames::record(&bytes[at]));
    Some(SpoolFile {
        book: book.to_owned(),
        begin,
        frames: found.frames.into_iter().map(record).collect(),
        damaged: found.damaged,
        end: found.end,
    })
}

/// Encodes the header line of a spool file.
pub fn spool_header(book: &str) -> Vec<u8> {
    frames::header(book)
}

/// Encodes a record as a frame.
pub fn spool_frame(kept: &Kept) -> Option<Vec<u8>> {
    frames::frame(kept)
}

/// Parses a channel of Asterisk's list.
pub fn channel_row(item: &Message) -> Option<ChannelRow> {
    ChannelRow::read(item)
}

/// A PDU sent by an SMSC.
#[derive(Debug)]
pub struct SmppPdu {
    /// Command id, status and sequence number.
    pub head: (u32, u32, u32),
    /// True if its body could be parsed.
    pub has_body: bool,
    /// The id of an accepted message.
    pub message_id: Option<String>,
    /// The receipt in it, if any.
    pub receipt: Option<Receipt>,
}

/// Parses a PDU.
pub fn smpp_pdu(bytes: &[u8]) -> Option<SmppPdu> {
    let frame = pdu::Frame::new(BytesMut::from(bytes))?;
    let head = (frame.id, frame.status, frame.sequence);
    let _ = (frame.is_response(), pdu::verdict(frame.status), pdu::status_name(frame.status));
    let message_id = frame.clone().message_id();
    let body = frame.pdu();
    let receipt = match &body {
        Some(Pdu::DeliverSm(deliver)) => match receipt::read(deliver, &TimeZone::UTC) {
            receipt::Delivered::Receipt(receipt) => Some(receipt),
            receipt::Delivered::Unreadable | receipt::Delivered::Message => None,
        },
        _ => None,
    };
    Some(SmppPdu { head, has_body: body.is_some(), message_id, receipt })
}

/// Encodes a message as its PDUs and parses them again.
pub fn smpp_submissions(
    to: &str,
    sender: Option<&str>,
    text: &str,
    encoding: Encoding,
    whole: bool,
) -> Result<Vec<Vec<u8>>, &'static str> {
    let message = Outgoing {
        reference: String::new(),
        to: to.to_owned(),
        sender_id: sender.map(str::to_owned),
        text: text.to_owned(),
        encoding,
        segments: 1,
    };
    let long = if whole { LongMessages::Payload } else { LongMessages::Udh };
    let written = |part: &SubmitSm| {
        let mut out = BytesMut::new();
        pdu::write(&mut out, CommandStatus::EsmeRok, 1, part.clone());
        out.to_vec()
    };
    Ok(pdu::submissions(&message, long, 7)?.iter().map(written).collect())
}

/// Splits a text into the parts in which it is sent.
pub fn message_parts(text: &str, encoding: Encoding) -> Option<Vec<Vec<u8>>> {
    alphabet::parts(text, encoding)
}

/// Parses an SMS gateway's answer about a submitted message.
pub fn gateway_submitted(body: &str) -> Option<Submitted> {
    gateway::submitted(body)
}

/// Parses an SMS gateway's journal for our reference.
pub fn gateway_journal(body: &str, reference: &str) -> Option<Accepted> {
    gateway::in_journal(body, reference)
}

/// Parses an SMS gateway's report of a message's delivery.
pub fn gateway_status(body: &str, zone: &TimeZone) -> Option<Receipt> {
    gateway::status(body, "upstream", zone)
}

/// Parses an answer of the eSIM upstream in each of its forms; returns its packages that can be sold.
pub fn esim_answer(body: &[u8]) -> Vec<crate::esim::upstream::ListedPackage> {
    let _ = esim::parse_answer::<esim::Ordered>(body).map(drop);
    let _ = esim::parse_answer::<esim::EsimList>(body).map(drop);
    let _ = esim::parse_answer::<esim::UsageList>(body).map(drop);
    let _ = esim::parse_answer::<esim::BalanceRow>(body).map(drop);
    let packages = esim::parse_answer::<esim::PackageList>(body).map(|list| list.package_list);
    packages.unwrap_or_default().iter().filter_map(|row| esim::parse_package(row.get()).ok()).collect()
}

/// Returns the names of an order in an eSIM notice.
pub fn esim_notice(body: &[u8]) -> BTreeSet<String> {
    notice::names(body).into_iter().collect()
}

/// Parses the token presented by a reader of peers.
pub fn realtime_token(authorization: &[u8]) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(authorization).ok()?);
    realtime::shown_token(&headers)
}

/// Formats an address's row as Asterisk reads it.
pub fn identify_row(name: &str, source: Ipv4Addr) -> String {
    rows::identify(name, source).encode()
}
