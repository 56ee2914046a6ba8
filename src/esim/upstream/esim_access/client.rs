//! The client: requests, their headers and pace.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::answer::{
    BalanceRow, EsimList, EsimRow, Ordered, PackageList, UsageList, UsageRow, is_short, is_volume,
    parse_answer, parse_package, profile_state,
};
use super::notice;
use super::pace::Pace;
use super::signature::sign;
use super::wire::time;
use crate::clock::Clock;
use crate::esim::upstream::{
    Balance, ListedPackage, Order, Priority, Profile, Purchase, Upstream, UpstreamError, Usage,
};
use crate::outbound::{Failure, Limits, Outbound};
use crate::secrets::{hex, random_bytes};

/// The longest time to connect.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest wait for the catalogue: some megabytes.
const LIST_PATIENCE: Duration = Duration::from_mins(2);
/// The largest answer but for the catalogue.
const MAX_ANSWER: usize = 1024 * 1024;
/// The largest catalogue: 2,800 packages with the networks of up to 130 countries each are about 20 MiB.
const MAX_LIST: usize = 64 * 1024 * 1024;
/// eSIMs in one question about usage.
const USAGE_AT_ONCE: usize = 10;
/// Rows of a page of the eSIMs of an order: an order of ours has one eSIM, and a page has at least 5.
const PAGE_ROWS: u32 = 20;
/// Rows of a page of the list of purchases: the largest page of the API.
const LIST_ROWS: u32 = 500;
/// Pages of that list that are read; a longer list is an error.
const LIST_PAGES: u32 = 20;
/// The largest page of that list, in bytes: an eSIM has less than 2 KiB.
const MAX_PAGE: usize = 4 * 1024 * 1024;
/// The most packages of a catalogue; the upstream has less than three thousand.
const MAX_PACKAGES: usize = 20_000;
/// The format of times in requests: UTC, to the minute.
const LIST_TIME: &str = "%Y-%m-%dT%H:%M+00:00";
/// The currency of the balance.
const CURRENCY: &str = "USD";
/// Time after an order within which its eSIM is in the list of purchases: it is allocated within 30 s, and listed then.
const LISTED_WITHIN: Duration = Duration::from_secs(45);

/// A client of the API.
pub struct EsimAccess {
    outbound: Outbound,
    base: String,
    access_code: HeaderValue,
    secret: Option<String>,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl fmt::Debug for EsimAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EsimAccess").field("base", &self.base).finish_non_exhaustive()
    }
}

impl EsimAccess {
    /// Creates a client of the API under `base`, such as `https://api.esimaccess.com`. Requests are signed if there is a
    /// secret.
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
            pace: Pace::new(),
        })
    }

    /// Packages that cannot be parsed are left out and logged: the others are sold.
    async fn packages(&self) -> Result<Vec<ListedPackage>, UpstreamError> {
        let asked = serde_json::json!({ "locationCode": "", "type": "BASE" });
        let list: PackageList =
            self.ask(Priority::Questions, "package/list", &asked, LIST_PATIENCE, MAX_LIST).await?;
        let total = list.package_list.len();
        if total > MAX_PACKAGES {
            return Err(UpstreamError::Unknown(format!("a catalogue of {total} packages")));
        }
        let packages: Vec<ListedPackage> = list
            .package_list
            .into_iter()
            .filter_map(|row| match parse_package(row.get()) {
                Ok(package) => Some(package),
                Err(reason) => {
                    tracing::warn!(reason, "eSIM package not understood");
                    None
                }
            })
            .collect();
        if packages.is_empty() && total > 0 {
            return Err(UpstreamError::Unknown("none of its packages can be understood".to_owned()));
        }
        Ok(packages)
    }

    async fn order(&self, order: &Order<'_>) -> Result<String, UpstreamError> {
        let asked = serde_json::json!({
            "transactionId": order.transaction_id,
            "amount": order.price_e4,
            "packageInfoList": [{ "packageCode": order.package_code, "count": 1, "price": order.price_e4 }],
        });
        let ordered: Ordered = self.ask(Priority::Orders, "esim/order", &asked, PATIENCE, MAX_ANSWER).await?;
        if !is_short(&ordered.order_no) || ordered.order_no.is_empty() {
            return Err(UpstreamError::Unknown("an order without a number".to_owned()));
        }
        if ordered.transaction_id.is_some_and(|name| name != order.transaction_id) {
            return Err(UpstreamError::Unknown("an answer about another order".to_owned()));
        }
        Ok(ordered.order_no)
    }

    async fn purchases(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Purchase>, UpstreamError> {
        let unknown = |reason: &str| UpstreamError::Unknown(reason.to_owned());
        let (from, until) = (from.strftime(LIST_TIME).to_string(), until.strftime(LIST_TIME).to_string());
        let (mut names, mut all) = (BTreeSet::new(), Vec::new());
        for page in 1..=LIST_PAGES {
            let asked = serde_json::json!({
                "orderNo": "", "iccid": "", "startTime": from, "endTime": until,
                "pager": { "pageNum": page, "pageSize": LIST_ROWS },
            });
            let list: EsimList =
                self.ask(Priority::Questions, "esim/query", &asked, PATIENCE, MAX_PAGE).await?;
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
                    all.push(Purchase { transaction_id, order_no });
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

    async fn profile(
        &self,
        priority: Priority,
        order_no: &str,
        transaction_id: &str,
    ) -> Result<Profile, UpstreamError> {
        let asked = serde_json::json!({
            "orderNo": order_no, "iccid": "", "pager": { "pageNum": 1, "pageSize": PAGE_ROWS },
        });
        let list: EsimList = self.ask(priority, "esim/query", &asked, PATIENCE, MAX_ANSWER).await?;
        let row = match <[EsimRow; 1]>::try_from(list.esim_list) {
            Ok([row]) => row,
            Err(rows) if rows.is_empty() => return Err(UpstreamError::NotYet),
            Err(rows) => {
                return Err(UpstreamError::Unknown(format!("{} eSIMs for one order", rows.len())));
            }
        };
        // An answer about another order would give an account another account's eSIM.
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
            state: profile_state(state),
            total_bytes: row.total_volume.map(|whole| whole.0).filter(|bytes| is_volume(*bytes)),
            used_bytes: row.order_usage.map(|whole| whole.0).filter(|bytes| is_volume(*bytes)),
            expires_at: row.expired_time.as_deref().and_then(time),
        })
    }

    async fn usage(&self, tran_nos: &[String]) -> Result<Vec<Usage>, UpstreamError> {
        debug_assert!(tran_nos.len() <= USAGE_AT_ONCE, "the upstream takes {USAGE_AT_ONCE}");
        let asked = serde_json::json!({ "esimTranNoList": tran_nos });
        let list: UsageList =
            self.ask(Priority::Questions, "esim/usage/query", &asked, PATIENCE, MAX_ANSWER).await?;
        let (UsageList::Named { list } | UsageList::Bare(list)) = list;
        let rows = list.into_iter().filter_map(|row| serde_json::from_str(&row.to_string()).ok());
        // Numbers that are no volume are left out: nothing is concluded from them.
        let rows = rows.filter(|row: &UsageRow| is_volume(row.data_usage.0) && is_volume(row.total_data.0));
        Ok(rows
            .map(|row: UsageRow| Usage {
                tran_no: row.esim_tran_no,
                used_bytes: row.data_usage.0,
                total_bytes: row.total_data.0,
            })
            .collect())
    }

    async fn balance(&self) -> Result<Balance, UpstreamError> {
        let asked = serde_json::json!({});
        let row: BalanceRow =
            self.ask(Priority::Questions, "balance/query", &asked, PATIENCE, MAX_ANSWER).await?;
        Ok(Balance { amount_e4: row.balance.0, currency: CURRENCY })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        priority: Priority,
        what: &str,
        asked: &serde_json::Value,
        patience: Duration,
        max_bytes: usize,
    ) -> Result<T, UpstreamError> {
        let body = asked.to_string();
        self.pace.wait(priority).await?;
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
        parse_answer(&answered.body)
    }

    /// The headers: the access code, and if there is a secret RT-Timestamp (ms), RT-RequestID and RT-Signature.
    fn headers(&self, body: &str) -> Result<HeaderMap, UpstreamError> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("rt-accesscode"), self.access_code.clone());
        if let Some(secret) = &self.secret {
            let timestamp = self.clock.now().as_millisecond().to_string();
            let request_id = hex(&random_bytes::<16>());
            let access_code = self.access_code.to_str().unwrap_or_default();
            let signature = sign(secret, &timestamp, &request_id, access_code, body);
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

impl Upstream for EsimAccess {
    fn list_packages(&self) -> BoxFuture<'_, Result<Vec<ListedPackage>, UpstreamError>> {
        self.packages().boxed()
    }

    fn place_order<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Result<String, UpstreamError>> {
        async move { self.order(&order).await }.boxed()
    }

    fn fetch_profile<'a>(
        &'a self,
        priority: Priority,
        order_no: &'a str,
        transaction_id: &'a str,
    ) -> BoxFuture<'a, Result<Profile, UpstreamError>> {
        self.profile(priority, order_no, transaction_id).boxed()
    }

    fn list_purchases(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Purchase>, UpstreamError>> {
        self.purchases(from, until).boxed()
    }

    fn purchases_listed_within(&self) -> Duration {
        LISTED_WITHIN
    }

    fn fetch_usage<'a>(&'a self, tran_nos: &'a [String]) -> BoxFuture<'a, Result<Vec<Usage>, UpstreamError>> {
        self.usage(tran_nos).boxed()
    }

    fn usage_batch(&self) -> usize {
        USAGE_AT_ONCE
    }

    fn fetch_balance(&self) -> BoxFuture<'_, Result<Balance, UpstreamError>> {
        self.balance().boxed()
    }

    fn names_in_notice(&self, body: &[u8]) -> Vec<String> {
        notice::names(body)
    }
}

#[cfg(test)]
mod tests;
