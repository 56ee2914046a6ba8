//! The eSIM Access API: `POST /api/v1/open/…`, JSON in, an envelope out.
//!
//! Sources: the upstream's own request collection and its reference (error codes, fields, signature), and answers that
//! others recorded. The envelope is `{"success":…,"errorCode":…,"errorMsg":…,"obj":…}` with HTTP 200 whatever happened;
//! `success` is a boolean or its text, a code of a success is null or `"0"`. Prices are in 1/10,000 of the currency,
//! volumes in bytes, times in UTC. At most 8 requests a second; no sandbox.
//!
//! | code | what it says | what it is to us |
//! |---|---|---|
//! | 000001, 900001 | server error, busy | unknown: asked again, an order with the same transaction id |
//! | 000101 … 000107, 101001 … 101003 | the request itself is wrong (header, JSON, clock, address, signature) | refused, unless an earlier try may have arrived |
//! | 200005, 200006 | another price than the one that was said | refused; but after a try without an answer only if that one is proven away |
//! | 200007 | our balance there is out | the same |
//! | 200008, 200011, 3102xx | parameters, none left, no such package | the same |
//! | 200010 | not allocated yet | wait |
//! | anything else | | unknown |

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::answer::{
    BalanceRow, EsimList, EsimRow, Ordered, PackageList, UsageList, UsageRow, listed, understood,
};
use super::wire::time;
use crate::clock::Clock;
use crate::outbound::{Failure, Limits, Outbound};
use crate::secrets::{hex, random_bytes};

/// What is asked, of the eight requests a second that the upstream takes: each has a share of its own, so that many who
/// want to know keep nobody from buying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Orders.
    Orders,
    /// Questions about orders that wait for their eSIM.
    Pending,
    /// Everything else.
    Questions,
}

impl Lane {
    /// Requests a second; of all of them together eight.
    const fn per_second(self) -> u32 {
        match self {
            Self::Orders | Self::Pending => 3,
            Self::Questions => 2,
        }
    }

    /// How long a request waits for its turn before it is given up.
    const fn wait(self) -> Duration {
        match self {
            Self::Orders => Duration::from_secs(20),
            Self::Pending => Duration::from_secs(10),
            Self::Questions => Duration::from_secs(2),
        }
    }

    /// Its pace. One more at once would be one more within a second.
    fn limiter(self) -> DefaultDirectRateLimiter {
        let one = NonZeroU32::MIN;
        let rate = one.saturating_add(self.per_second() - 1);
        RateLimiter::direct(Quota::per_second(rate).allow_burst(one))
    }
}

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the whole catalogue is waited for: some megabytes.
const LIST_PATIENCE: Duration = Duration::from_mins(2);
/// The largest answer but for the catalogue.
const MAX_ANSWER: usize = 1024 * 1024;
/// The largest catalogue: 2,800 packages with the networks of up to 130 countries each are about 20 MiB.
const MAX_LIST: usize = 64 * 1024 * 1024;
/// The most bytes that a package can have: a petabyte.
const MAX_VOLUME: i64 = 1 << 50;
/// The longest text of the upstream's that is kept.
pub(super) const MAX_TEXT: usize = 200;
/// eSIMs asked about at once by their usage.
pub const USAGE_AT_ONCE: usize = 10;
/// Rows of a page that is asked for: an order of ours has one eSIM, and a page has at least 5.
const PAGE_ROWS: u32 = 20;
/// Rows of a page where everything of a time is asked for: the most that the upstream gives.
const LIST_ROWS: u32 = 500;
/// Pages of such a list that are read; a longer one is no answer.
const LIST_PAGES: u32 = 20;
/// The largest page of such a list: an eSIM has less than 2 KiB.
const MAX_PAGE: usize = 4 * 1024 * 1024;
/// The most packages of a catalogue; the upstream has less than three thousand.
const MAX_PACKAGES: usize = 20_000;
/// How the upstream is told a time: in UTC, to the minute.
const LIST_TIME: &str = "%Y-%m-%dT%H:%M+00:00";

/// Why the upstream did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It says no, with its code.
    #[error("the upstream refuses: {code} {message}")]
    Refused {
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
    /// The eSIM is not allocated yet (200010).
    #[error("the eSIM is not allocated yet")]
    NotYet,
    /// What became of the request is not known: no answer, or none that can be understood.
    #[error("the upstream gives no clear answer: {0}")]
    Unknown(String),
    /// It was provably not asked: too much else is.
    #[error("too much is asked of the upstream at once")]
    Busy,
    /// It was provably not asked: no connection.
    #[error("the upstream cannot be reached: {0}")]
    NotReached(String),
}

impl UpstreamError {
    /// Its name where failures are counted.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::NotYet => "not_yet",
            Self::Unknown(_) => "unknown",
            Self::Busy => "busy",
            Self::NotReached(_) => "not_reached",
        }
    }

    /// Whether it is about the request (headers, signature, address) and not about what was asked for: it then proves
    /// nothing about an earlier try.
    pub fn is_about_the_request(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code.starts_with("0001") || code.starts_with("1010"))
    }
}

/// A network operator in a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    #[serde(rename = "operatorName", default)]
    pub operator: String,
    /// Its best technology: `4G`, `5G`.
    #[serde(rename = "networkType", default)]
    pub kind: String,
}

/// A country that a package is good in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Country {
    /// Its English name.
    #[serde(rename = "locationName", default)]
    pub name: String,
    /// Its ISO 3166 code; the older entries have none.
    #[serde(rename = "locationCode", default)]
    pub code: Option<String>,
    /// The networks there.
    #[serde(rename = "operatorList", default)]
    pub networks: Vec<Network>,
}

/// A package as the upstream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its code.
    pub code: String,
    /// Its other name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// What it costs us, in 1/10,000 of the currency.
    pub price_e4: i64,
    /// The currency.
    pub currency: String,
    /// Bytes.
    pub volume_bytes: i64,
    /// How long it is good, in `duration_unit`.
    pub duration: i64,
    /// `DAY`, mostly.
    pub duration_unit: String,
    /// ISO 3166 codes of the countries it is good in.
    pub locations: Vec<String>,
    /// Networks by country.
    pub coverage: Vec<Country>,
}

/// An eSIM that was allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The upstream's name for it.
    pub tran_no: String,
    /// Its card number.
    pub iccid: String,
    /// What a phone installs it by: `LPA:1$…`.
    pub activation_code: String,
    /// Its state: `GOT_RESOURCE`, `IN_USE`, `USED_UP`, `USED_EXPIRED`, `UNUSED_EXPIRED`, `CANCEL`, `REVOKED`, ….
    pub state: String,
    /// Bytes bought.
    pub total_bytes: Option<i64>,
    /// Bytes used.
    pub used_bytes: Option<i64>,
    /// Until when it can be used or installed.
    pub expires_at: Option<Timestamp>,
}

/// An eSIM as the list of everything that was bought names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Our name for its order.
    pub transaction_id: String,
    /// The upstream's number of its order.
    pub order_no: String,
}

/// How much of an eSIM is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The upstream's name for it.
    pub tran_no: String,
    /// Bytes used.
    pub used_bytes: i64,
    /// Bytes bought.
    pub total_bytes: i64,
}

/// An order as it is given to the upstream; the same again is the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Our name for it, at most 50 characters.
    pub transaction_id: &'a str,
    /// What is ordered.
    pub package_code: &'a str,
    /// What it costs as we know it: another price is refused (200005) rather than paid.
    pub price_e4: i64,
}

/// The way to the upstream.
pub struct Upstream {
    outbound: Outbound,
    base: String,
    access_code: HeaderValue,
    secret: Option<String>,
    clock: Arc<dyn Clock>,
    orders: DefaultDirectRateLimiter,
    pending: DefaultDirectRateLimiter,
    questions: DefaultDirectRateLimiter,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Upstream {
    /// The API under `base`, such as `https://api.esimaccess.com`, opened by an access code; requests are signed where
    /// there is a secret.
    pub fn new(
        base: &str,
        access_code: &str,
        secret: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UpstreamError> {
        let wrong = |text: &str| UpstreamError::NotReached(text.to_owned());
        let mut code = HeaderValue::from_str(access_code)
            .map_err(|_| wrong("esim.access_code is not printable ASCII"))?;
        code.set_sensitive(true);
        Ok(Self {
            outbound: Outbound::new(base, None, CONNECT_PATIENCE)
                .map_err(|what| wrong(&format!("esim.url: {what}")))?,
            base: base.trim_end_matches('/').to_owned(),
            access_code: code,
            secret: secret.map(str::to_owned),
            clock,
            orders: Lane::Orders.limiter(),
            pending: Lane::Pending.limiter(),
            questions: Lane::Questions.limiter(),
        })
    }

    /// All packages that can be bought. One that cannot be understood is left out and logged: the others are sold.
    pub async fn packages(&self) -> Result<Vec<Listed>, UpstreamError> {
        let asked = serde_json::json!({ "locationCode": "", "type": "BASE" });
        let list: PackageList =
            self.ask(Lane::Questions, "package/list", &asked, LIST_PATIENCE, MAX_LIST).await?;
        let total = list.package_list.len();
        if total > MAX_PACKAGES {
            return Err(UpstreamError::Unknown(format!("a catalogue of {total} packages")));
        }
        let packages: Vec<Listed> = list
            .package_list
            .into_iter()
            .filter_map(|row| match listed(row.get()) {
                Ok(package) => Some(package),
                Err(reason) => {
                    tracing::warn!(reason, "a package of the eSIM upstream cannot be understood");
                    None
                }
            })
            .collect();
        if packages.is_empty() && total > 0 {
            return Err(UpstreamError::Unknown("none of its packages can be understood".to_owned()));
        }
        Ok(packages)
    }

    /// Orders one eSIM; the upstream's number of the order. The same transaction id again is the same order.
    pub async fn order(&self, order: &Order<'_>) -> Result<String, UpstreamError> {
        let asked = serde_json::json!({
            "transactionId": order.transaction_id,
            "amount": order.price_e4,
            "packageInfoList": [{ "packageCode": order.package_code, "count": 1, "price": order.price_e4 }],
        });
        let ordered: Ordered = self.ask(Lane::Orders, "esim/order", &asked, PATIENCE, MAX_ANSWER).await?;
        if !is_short(&ordered.order_no) || ordered.order_no.is_empty() {
            return Err(UpstreamError::Unknown("an order without a number".to_owned()));
        }
        if ordered.transaction_id.is_some_and(|name| name != order.transaction_id) {
            return Err(UpstreamError::Unknown("an answer about another order".to_owned()));
        }
        Ok(ordered.order_no)
    }

    /// Every eSIM that was bought between two moments, those that are not allocated yet perhaps left out. All of them, or
    /// no answer: part of a list would be taken for the absence of the rest.
    pub async fn bought(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Bought>, UpstreamError> {
        let unknown = |reason: &str| UpstreamError::Unknown(reason.to_owned());
        let (from, until) = (from.strftime(LIST_TIME).to_string(), until.strftime(LIST_TIME).to_string());
        let (mut names, mut all) = (BTreeSet::new(), Vec::new());
        for page in 1..=LIST_PAGES {
            let asked = serde_json::json!({
                "orderNo": "", "iccid": "", "startTime": from, "endTime": until,
                "pager": { "pageNum": page, "pageSize": LIST_ROWS },
            });
            let list: EsimList = self.ask(Lane::Questions, "esim/query", &asked, PATIENCE, MAX_PAGE).await?;
            let total = list.pager.ok_or_else(|| unknown("a list of unknown length"))?.total.0;
            let is_last = list.esim_list.is_empty();
            if u32::try_from(list.esim_list.len()).is_ok_and(|rows| rows > LIST_ROWS) {
                return Err(unknown("a page that is longer than was asked for"));
            }
            for row in list.esim_list {
                let (Some(transaction_id), Some(order_no)) = (row.transaction_id, row.order_no) else {
                    return Err(unknown("a list of eSIMs that does not say whose they are"));
                };
                if [&transaction_id, &order_no, &row.esim_tran_no].into_iter().any(|text| !is_short(text)) {
                    return Err(unknown("a list of eSIMs whose names are no names"));
                }
                if names.insert(row.esim_tran_no) {
                    all.push(Bought { transaction_id, order_no });
                }
            }
            if i64::try_from(names.len()) == Ok(total) {
                return Ok(all);
            }
            if is_last {
                return Err(unknown("a list that is shorter than it says"));
            }
        }
        Err(unknown("a list that is too long"))
    }

    /// The eSIM of an order of ours; [`UpstreamError::NotYet`] until it is allocated.
    pub async fn profile(
        &self,
        lane: Lane,
        order_no: &str,
        transaction_id: &str,
    ) -> Result<Profile, UpstreamError> {
        let asked = serde_json::json!({
            "orderNo": order_no, "iccid": "", "pager": { "pageNum": 1, "pageSize": PAGE_ROWS },
        });
        let list: EsimList = self.ask(lane, "esim/query", &asked, PATIENCE, MAX_ANSWER).await?;
        let row = match <[EsimRow; 1]>::try_from(list.esim_list) {
            Ok([row]) => row,
            Err(rows) if rows.is_empty() => return Err(UpstreamError::NotYet),
            Err(rows) => {
                return Err(UpstreamError::Unknown(format!("{} eSIMs for one order", rows.len())));
            }
        };
        // An answer that is about something else would give somebody another's eSIM.
        if row.order_no.as_deref() != Some(order_no)
            || row.transaction_id.is_some_and(|name| name != transaction_id)
        {
            return Err(UpstreamError::Unknown("an answer about another order".to_owned()));
        }
        let (Some(iccid), Some(ac)) = (row.iccid, row.ac) else { return Err(UpstreamError::NotYet) };
        if iccid.is_empty() || ac.is_empty() {
            return Err(UpstreamError::NotYet);
        }
        let state = row.esim_status.unwrap_or_default();
        if [&iccid, &ac, &row.esim_tran_no, &state].into_iter().any(|text| !is_short(text)) {
            return Err(UpstreamError::Unknown("an eSIM whose names are no names".to_owned()));
        }
        Ok(Profile {
            tran_no: row.esim_tran_no,
            iccid,
            activation_code: ac,
            state,
            total_bytes: row.total_volume.map(|whole| whole.0).filter(|bytes| is_volume(*bytes)),
            used_bytes: row.order_usage.map(|whole| whole.0).filter(|bytes| is_volume(*bytes)),
            expires_at: row.expired_time.as_deref().and_then(time),
        })
    }

    /// How much of each is used, at most [`USAGE_AT_ONCE`] at once.
    pub async fn usage(&self, tran_nos: &[String]) -> Result<Vec<Usage>, UpstreamError> {
        debug_assert!(tran_nos.len() <= USAGE_AT_ONCE, "the upstream takes {USAGE_AT_ONCE}");
        let asked = serde_json::json!({ "esimTranNoList": tran_nos });
        let list: UsageList =
            self.ask(Lane::Questions, "esim/usage/query", &asked, PATIENCE, MAX_ANSWER).await?;
        let (UsageList::Named { list } | UsageList::Bare(list)) = list;
        let rows = list.into_iter().filter_map(|row| serde_json::from_str(&row.to_string()).ok());
        // What is no volume is not told: nothing is concluded from it.
        let rows = rows.filter(|row: &UsageRow| is_volume(row.data_usage.0) && is_volume(row.total_data.0));
        Ok(rows
            .map(|row: UsageRow| Usage {
                tran_no: row.esim_tran_no,
                used_bytes: row.data_usage.0,
                total_bytes: row.total_data.0,
            })
            .collect())
    }

    /// What we have there, in 1/10,000 dollars.
    pub async fn balance(&self) -> Result<i64, UpstreamError> {
        let asked = serde_json::json!({});
        let row: BalanceRow =
            self.ask(Lane::Questions, "balance/query", &asked, PATIENCE, MAX_ANSWER).await?;
        Ok(row.balance.0)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        lane: Lane,
        what: &str,
        asked: &serde_json::Value,
        patience: Duration,
        max_bytes: usize,
    ) -> Result<T, UpstreamError> {
        let body = asked.to_string();
        let pace = match lane {
            Lane::Orders => &self.orders,
            Lane::Pending => &self.pending,
            Lane::Questions => &self.questions,
        };
        if tokio::time::timeout(lane.wait(), pace.until_ready()).await.is_err() {
            return Err(UpstreamError::Busy);
        }
        // Signed with the time at which it is sent.
        let headers = self.headers(&body)?;
        let mut request = Request::post(format!("{}/api/v1/open/{what}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| UpstreamError::NotReached(error.to_string()))?;
        request.headers_mut().extend(headers);
        let limits = Limits { answer: patience, body_bytes: max_bytes };
        let answered = self.outbound.ask(request, limits).await.map_err(|failure| match failure {
            Failure::NotSent(reason) => UpstreamError::NotReached(reason),
            Failure::NoAnswer(reason) => UpstreamError::Unknown(reason),
        })?;
        if answered.status != StatusCode::OK {
            return Err(UpstreamError::Unknown(format!("HTTP {}", answered.status.as_u16())));
        }
        understood(&answered.body)
    }

    /// The access code, and where there is a secret: RT-Timestamp (ms), RT-RequestID, and RT-Signature, the hexadecimal
    /// HMAC-SHA256 of timestamp + request id + access code + body.
    fn headers(&self, body: &str) -> Result<HeaderMap, UpstreamError> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("rt-accesscode"), self.access_code.clone());
        if let Some(secret) = &self.secret {
            let timestamp = self.clock.now().as_millisecond().to_string();
            let request_id = hex(&random_bytes::<16>());
            let access_code = self.access_code.to_str().unwrap_or_default();
            let signature = signature(secret, &timestamp, &request_id, access_code, body);
            for (name, value) in
                [("rt-timestamp", timestamp), ("rt-requestid", request_id), ("rt-signature", signature)]
            {
                let value = HeaderValue::from_str(&value)
                    .map_err(|_| UpstreamError::NotReached("a header of ours is no header".to_owned()))?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(headers)
    }
}

/// Whether a number can be the bytes of a package.
pub(super) fn is_volume(bytes: i64) -> bool {
    (0..=MAX_VOLUME).contains(&bytes)
}

/// Whether a text can be kept and shown as it is.
fn is_short(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.contains(char::is_control)
}

/// What a request is signed with.
pub fn signature(secret: &str, timestamp: &str, request_id: &str, access_code: &str, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    for part in [timestamp, request_id, access_code, body] {
        mac.update(part.as_bytes());
    }
    hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
