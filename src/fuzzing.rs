//! Entry points of the fuzz targets under `fuzz/`, for parsers that nothing outside of the crate reaches. Built with the
//! feature `fuzzing` alone.

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

/// A body with a field of every form that endpoints read.
#[derive(Debug, Deserialize)]
pub struct Body {
    /// Text.
    pub login: String,
    /// Money.
    pub amount: Amount,
    /// A percentage.
    #[serde(default)]
    pub percent: Option<PercentIn>,
    /// Text that may be missing.
    #[serde(default)]
    pub note: Option<String>,
    /// A whole number.
    #[serde(default)]
    pub limit: Option<i64>,
    /// A truth.
    #[serde(default)]
    pub active: Option<bool>,
    /// A list.
    #[serde(default)]
    pub recipients: Option<Vec<String>>,
}

/// Reads a body as endpoints do.
pub fn json_body(bytes: &[u8], ignore_unknown: bool) -> Result<Body, ApiError> {
    body::read(bytes, ignore_unknown)
}

/// The names of [`Body`].
pub fn json_body_names() -> &'static [&'static str] {
    body::field_names::<Body>()
}

/// Every endpoint: its name, and whether it has a body.
pub fn endpoints() -> Vec<(&'static str, bool)> {
    let routes = Surface::ALL.into_iter().flat_map(Surface::routes);
    routes.map(|route| (route.name, route.verb == Verb::Post)).collect()
}

/// Reads body and query of the endpoint at a place in [`endpoints`], and does nothing.
pub fn read_endpoint(at: usize, body: &[u8], query: &str) -> Option<Result<(), ApiError>> {
    let mut routes = Surface::ALL.into_iter().flat_map(Surface::routes);
    routes.nth(at).map(|route| (route.read)(body, query))
}

/// The parameters of a URL: value of a name, and the two forms of pages.
pub fn query(
    text: &str,
    name: &str,
) -> Result<(Option<String>, [Result<(i64, i64), ApiError>; 2]), ApiError> {
    let read = Parameters::read(Some(text))?;
    let long = read.typed::<Page>().map(|page| (page.limit.0, page.offset.0));
    let short = read.typed::<ShortPage>().map(|page| (page.limit.0, page.offset.0));
    Ok((read.get(name).map(str::to_owned), [long, short]))
}

/// A parameter of the subaccounts API; `None` where the body cannot be read.
pub fn subaccount_parameter(query: &str, body: &[u8], name: &str) -> Option<Option<String>> {
    let read = parameters::Parameters::read(query, body).ok()?;
    Some(read.get(name).map(str::to_owned))
}

/// The bytes of an `X-Signature`.
pub fn signature(text: &str) -> Option<Vec<u8>> {
    signing::from_hex(text)
}

/// The fields of a ticket without its signature.
pub fn ticket_fields(bytes: &[u8]) -> Result<Ticket, TicketError> {
    Ticket::of_fields(bytes)
}

/// The spool file that was read: its ledger, the whole frames as records, bytes lost between them, and where it ends.
#[derive(Debug)]
pub struct SpoolFile {
    /// The ledger's name.
    pub book: String,
    /// Where the first frame begins.
    pub begin: usize,
    /// Each whole frame's place, and its record where it is one.
    pub frames: Vec<(std::ops::Range<usize>, Option<Kept>)>,
    /// Bytes that are no frame, before the last frame.
    pub damaged: usize,
    /// Where the last whole frame ends.
    pub end: usize,
}

/// Reads a spool file.
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

/// The first line of a spool file.
pub fn spool_header(book: &str) -> Vec<u8> {
    frames::header(book)
}

/// A record as a frame.
pub fn spool_frame(kept: &Kept) -> Option<Vec<u8>> {
    frames::frame(kept)
}

/// A channel of Asterisk's list.
pub fn channel_row(item: &Message) -> Option<ChannelRow> {
    ChannelRow::read(item)
}

/// A PDU that an SMSC sent.
#[derive(Debug)]
pub struct SmppPdu {
    /// What it is, its status, its number.
    pub head: (u32, u32, u32),
    /// Whether its body could be read.
    pub has_body: bool,
    /// The name of a message that was taken.
    pub message_id: Option<String>,
    /// The receipt in it.
    pub receipt: Option<Receipt>,
}

/// Reads a PDU.
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

/// A message as the PDUs that carry it, written and read again.
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

/// A text in the parts that it is sent in.
pub fn message_parts(text: &str, encoding: Encoding) -> Option<Vec<Vec<u8>>> {
    alphabet::parts(text, encoding)
}

/// What an SMS gateway's answer says of a message.
pub fn gateway_submitted(body: &str) -> Option<Submitted> {
    gateway::submitted(body)
}

/// What an SMS gateway's journal says of our reference.
pub fn gateway_journal(body: &str, reference: &str) -> Option<Accepted> {
    gateway::in_journal(body, reference)
}

/// What an SMS gateway says of a message's delivery.
pub fn gateway_status(body: &str, zone: &TimeZone) -> Option<Receipt> {
    gateway::status(body, "upstream", zone)
}

/// Reads an answer of the eSIM upstream as each of its forms; the packages of it that can be sold.
pub fn esim_answer(body: &[u8]) -> Vec<crate::esim::upstream::ListedPackage> {
    let _ = esim::parse_answer::<esim::Ordered>(body).map(drop);
    let _ = esim::parse_answer::<esim::EsimList>(body).map(drop);
    let _ = esim::parse_answer::<esim::UsageList>(body).map(drop);
    let _ = esim::parse_answer::<esim::BalanceRow>(body).map(drop);
    let packages = esim::parse_answer::<esim::PackageList>(body).map(|list| list.package_list);
    packages.unwrap_or_default().iter().filter_map(|row| esim::parse_package(row.get()).ok()).collect()
}

/// The names that an eSIM notice has for an order.
pub fn esim_notice(body: &[u8]) -> BTreeSet<String> {
    notice::names(body).into_iter().collect()
}

/// The token that a reader of peers shows.
pub fn realtime_token(authorization: &[u8]) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(authorization).ok()?);
    realtime::shown_token(&headers)
}

/// An address's row as Asterisk reads it.
pub fn identify_row(name: &str, source: Ipv4Addr) -> String {
    rows::identify(name, source).encode()
}
