//! The simulator's paths.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::{Offered, packages};
use super::orders::{Ordered, Orders, activation_code_of, iccid_of, tran_no_of};
use super::settings::Settings;
use crate::clock::{Clock as _, SystemClock};
use crate::esim::upstream::esim_access::signature::sign;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    /// 900001, nothing done.
    Busy,
    /// HTTP 500, nothing done.
    ServerError,
    /// HTTP 500, and yet done.
    ServerErrorAfter,
    /// Done, and the connection broken instead of an answer.
    LostAnswer,
    /// Done, and answered after a minute.
    Slow,
    /// Done, and answered by something that is no JSON.
    Malformed,
    /// 200011 to an order that is a new one; nothing done.
    NoStock,
    /// 200007 to any order, also to one that it has: our balance is looked at first.
    NoBalance,
    /// The first order's number for another order, the first order's eSIM for another order's.
    Repeated,
    /// 101003, nothing done.
    BadSignature,
}

#[derive(Debug)]
struct Inner {
    orders: Orders,
    packages: Vec<Offered>,
    balance_e4: i64,
    allocate_ms: u64,
    faults: BTreeMap<String, VecDeque<Fault>>,
    /// Requests by path.
    asked: BTreeMap<String, u64>,
}

/// The state of a simulator.
#[derive(Debug)]
pub(super) struct State {
    inner: Mutex<Inner>,
    access_code: Option<String>,
    secret: Option<String>,
    clock: SystemClock,
    /// How far its time is from the machine's.
    ahead: SignedDuration,
}

/// An answer of the upstream's that is no success.
struct Refusal(&'static str, &'static str);

impl State {
    pub(super) fn new(settings: Settings) -> std::io::Result<Self> {
        let inner = Inner {
            orders: Orders::open(settings.record.as_deref())?,
            packages: packages(),
            balance_e4: settings.balance_e4,
            allocate_ms: settings.allocate_ms,
            faults: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        let clock = SystemClock::new();
        let ahead = settings.starts_at.map_or(SignedDuration::ZERO, |at| at.duration_since(clock.now()));
        Ok(Self {
            inner: Mutex::new(inner),
            access_code: settings.access_code,
            secret: settings.secret,
            clock,
            ahead,
        })
    }

    pub(super) fn orders(&self) -> Vec<Ordered> {
        self.lock().orders.all.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(self.ahead).unwrap_or(now)
    }

    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Reports whether the headers open it.
    fn admits(&self, headers: &HeaderMap, body: &str) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(code) = text("rt-accesscode") else {
            return Err(Refusal("000101", "Request header (mandatory) is null"));
        };
        if self.access_code.as_deref().is_some_and(|known| known != code) {
            return Err(Refusal("101003", "Request signature mismatch."));
        }
        let Some(secret) = &self.secret else { return Ok(()) };
        let (Some(timestamp), Some(request_id), Some(shown)) =
            (text("rt-timestamp"), text("rt-requestid"), text("rt-signature"))
        else {
            return Err(Refusal("000101", "Request header (mandatory) is null"));
        };
        if sign(secret, timestamp, request_id, code, body) == shown {
            Ok(())
        } else {
            Err(Refusal("101003", "Request signature mismatch."))
        }
    }

    fn answer(&self, path: &str, asked: &Value, fault: Option<Fault>) -> Result<Value, Refusal> {
        match path {
            "package/list" => Ok(self.package_list()),
            "esim/order" => self.order(asked, fault),
            "esim/query" => self.query(asked, fault),
            "esim/usage/query" => self.usage(asked),
            "balance/query" => Ok(json!({ "balance": self.lock().balance_e4 })),
            "esim/cancel" => self.cancel(asked),
            _ => Err(Refusal("000103", "This https request method (get/post) is not supported")),
        }
    }

    fn package_list(&self) -> Value {
        let row = |package: &Offered| {
            let network = |&(code, name): &(&str, &str)| {
                json!({
                    "locationName": name, "locationLogo": format!("/img/flags/{code}.png"), "locationCode": code,
                    "operatorList": [
                        { "operatorName": format!("{name} Mobile"), "networkType": "5G" },
                        { "operatorName": format!("{name} Telecom"), "networkType": "4G" },
                    ],
                })
            };
            let codes: Vec<&str> = package.locations.iter().map(|(code, _)| *code).collect();
            json!({
                "packageCode": package.code, "slug": package.slug, "name": package.name, "price": package.price_e4,
                "currencyCode": "USD", "volume": package.volume_bytes, "smsStatus": 0, "dataType": 1,
                "unusedValidTime": 180, "duration": package.days, "durationUnit": "DAY",
                "location": codes.join(","), "locationCode": codes.first(), "description": package.name,
                "activeType": 2, "favorite": false, "retailPrice": package.price_e4 * 2, "speed": "4G/5G",
                "ipExport": "SG", "supportTopUpType": 2, "fupPolicy": "",
                "locationNetworkList": package.locations.iter().map(network).collect::<Value>(),
            })
        };
        json!({ "packageList": self.lock().packages.iter().map(row).collect::<Value>() })
    }

    /// The same transaction id is the same order, whatever else is wrong by then.
    fn order(&self, asked: &Value, fault: Option<Fault>) -> Result<Value, Refusal> {
        let Some(transaction_id) = asked["transactionId"].as_str() else {
            return Err(Refusal("000105", "Request parameters (mandatory) are not contained"));
        };
        if transaction_id.is_empty() || transaction_id.len() > 50 {
            return Err(Refusal(
                "000107",
                "The length of the request parameter does not meet the requirement.",
            ));
        }
        let at_ms = self.now_ms();
        let mut inner = self.lock();
        let first = inner.orders.all.first().map(|order| order.order_no.clone());
        let answer = |order: &Ordered| {
            let number = first.as_ref().filter(|_| fault == Some(Fault::Repeated)).unwrap_or(&order.order_no);
            json!({ "orderNo": number, "transactionId": order.transaction_id })
        };
        if fault == Some(Fault::NoBalance) {
            return Err(Refusal("200007", "Insufficient account balance"));
        }
        if let Some(known) = inner.orders.again(transaction_id) {
            return Ok(answer(&known));
        }
        if fault == Some(Fault::NoStock) {
            return Err(Refusal(
                "200011",
                "Insufficient available Profiles for the package, please contact the customer service.",
            ));
        }
        let item = &asked["packageInfoList"][0];
        let code = item["packageCode"].as_str().or_else(|| item["slug"].as_str()).unwrap_or_default();
        let package = inner.packages.iter().find(|known| known.code == code || known.slug == code);
        let Some(package) = package.cloned() else {
            return Err(Refusal("310241", "The packageCode does not exist."));
        };
        if item["count"].as_i64() != Some(1) {
            return Err(Refusal("200008", "Order parameters error, please contact customer service."));
        }
        if item["price"].as_i64().is_some_and(|price| price != package.price_e4) {
            return Err(Refusal("200005", "Package price error. Check price."));
        }
        if asked["amount"].as_i64().is_some_and(|amount| amount != package.price_e4) {
            return Err(Refusal("200006", "Total order price amount is wrong. Check prices."));
        }
        if inner.balance_e4 < package.price_e4 {
            return Err(Refusal("200007", "Insufficient account balance"));
        }
        let taken = inner.orders.take(transaction_id.to_owned(), package.code, package.price_e4, at_ms);
        let Ok(order) = taken else { return Err(Refusal("000001", "Server error")) };
        inner.balance_e4 -= package.price_e4;
        Ok(answer(&order))
    }

    fn query(&self, asked: &Value, fault: Option<Fault>) -> Result<Value, Refusal> {
        let size = asked["pager"]["pageSize"].as_i64();
        let Some(size) = size.filter(|size| (5..=500).contains(size)) else {
            return Err(Refusal("000105", "Request parameters (mandatory) are not contained"));
        };
        let now = self.now_ms();
        let inner = self.lock();
        let is_allocated = |order: &Ordered| now >= order.at_ms.saturating_add_unsigned(inner.allocate_ms);
        let text = |name: &str| asked[name].as_str().filter(|text| !text.is_empty());
        let order = match (text("orderNo"), text("esimTranNo"), text("iccid")) {
            (Some(number), _, _) => inner.orders.of_number(number),
            (_, Some(number), _) => inner.orders.of_tran_no(number),
            (_, _, Some(iccid)) => inner.orders.of_iccid(iccid),
            _ => {
                let (Some(from), Some(until)) = (moment(&asked["startTime"]), moment(&asked["endTime"]))
                else {
                    return Err(Refusal("000105", "Request parameters (mandatory) are not contained"));
                };
                let is_asked =
                    |order: &&Ordered| (from..=until).contains(&order.at_ms) && is_allocated(order);
                let rows: Vec<Value> =
                    inner.orders.all.iter().filter(is_asked).map(|order| self.row(&inner, order)).collect();
                let page = asked["pager"]["pageNum"].as_i64().unwrap_or(1).max(1);
                let (total, width) = (rows.len(), usize::try_from(size).unwrap_or(5));
                let skipped = usize::try_from(page - 1).unwrap_or(0).saturating_mul(width);
                let rows: Vec<Value> = rows.into_iter().skip(skipped).take(width).collect();
                return Ok(json!({
                    "esimList": rows, "pager": { "pageSize": size, "pageNum": page, "total": total },
                }));
            }
        };
        let Some(order) = order else { return Err(Refusal("310272", "The orderNo does not exist.")) };
        if !is_allocated(order) {
            return Err(Refusal("200010", "Profile is being downloaded for the order."));
        }
        let mut row = self.row(&inner, order);
        if let Some(first) = inner.orders.all.first().filter(|_| fault == Some(Fault::Repeated)) {
            let first = self.row(&inner, first);
            for name in ["esimTranNo", "iccid", "ac"] {
                row[name] = first[name].clone();
            }
        }
        Ok(json!({ "esimList": [row], "pager": { "pageSize": size, "pageNum": 1, "total": 1 } }))
    }

    /// An eSIM as it is shown.
    fn row(&self, inner: &Inner, order: &Ordered) -> Value {
        let package = inner.packages.iter().find(|package| package.code == order.package_code);
        let (volume, days, name) =
            package.map_or((0, 0, ""), |package| (package.volume_bytes, package.days, package.name.as_str()));
        let life = inner.orders.lives.get(&order.order_no).cloned().unwrap_or_default();
        let state = life.state.unwrap_or_else(|| "GOT_RESOURCE".to_owned());
        let expires = self.now() + SignedDuration::from_hours(24 * 180);
        let iccid = iccid_of(order);
        json!({
            "esimTranNo": tran_no_of(order), "orderNo": order.order_no, "transactionId": order.transaction_id,
            "imsi": "001010000000000", "iccid": iccid, "smsStatus": 0, "msisdn": "",
            "ac": activation_code_of(order), "qrCodeUrl": format!("https://simulator.invalid/{iccid}.png"),
            "shortUrl": format!("https://simulator.invalid/{iccid}"),
            "smdpStatus": if state == "GOT_RESOURCE" || state == "CANCEL" { "RELEASED" } else { "ENABLED" },
            "eid": "", "activeType": 2, "dataType": 1, "activateTime": null,
            "expiredTime": expires.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            "totalVolume": volume, "totalDuration": days, "durationUnit": "DAY", "orderUsage": life.used,
            "esimStatus": state, "pin": "", "puk": "", "apn": "internet",
            "packageList": [{ "packageName": name, "packageCode": order.package_code, "duration": days,
                "volume": volume, "locationCode": "", "createTime": "" }],
        })
    }

    fn usage(&self, asked: &Value) -> Result<Value, Refusal> {
        let names: Vec<&str> =
            asked["esimTranNoList"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() || names.len() > 10 {
            return Err(Refusal(
                "000107",
                "The length of the request parameter does not meet the requirement.",
            ));
        }
        let inner = self.lock();
        let row = |name: &&str| {
            let order = inner.orders.of_tran_no(name)?;
            let package = inner.packages.iter().find(|package| package.code == order.package_code)?;
            let used = inner.orders.lives.get(&order.order_no).map_or(0, |life| life.used);
            Some(json!({
                "esimTranNo": name, "dataUsage": used, "totalData": package.volume_bytes,
                "lastUpdateTime": self.now().strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            }))
        };
        Ok(json!({ "esimUsageList": names.iter().filter_map(row).collect::<Value>() }))
    }

    /// Only what was never installed.
    fn cancel(&self, asked: &Value) -> Result<Value, Refusal> {
        let mut inner = self.lock();
        let name = asked["esimTranNo"].as_str().unwrap_or_default();
        let Some(order) = inner.orders.of_tran_no(name).cloned() else {
            return Err(Refusal("310404", "the merchant has not the iccid."));
        };
        let life = inner.orders.lives.entry(order.order_no).or_default();
        if life.state.is_some() {
            return Err(Refusal("200002", "This operation is not allowed due to the order status."));
        }
        life.state = Some("CANCEL".to_owned());
        inner.balance_e4 += order.price_e4;
        Ok(json!({}))
    }
}

/// A time that was asked for, in milliseconds.
fn moment(asked: &Value) -> Option<i64> {
    let at = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M%:z", asked.as_str()?).ok()?;
    Some(at.to_timestamp().ok()?.as_millisecond())
}

/// All paths.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/v1/open/{*path}", any(upstream))
        .route("/simulator/orders", get(orders))
        .route("/simulator/asked", get(asked))
        .route("/simulator/fault", post(fault))
        .route("/simulator/set", post(set))
        .route("/simulator/esim", post(esim))
        .with_state(state)
}

fn envelope(answer: Result<Value, Refusal>) -> String {
    match answer {
        Ok(obj) => json!({ "success": true, "errorCode": "0", "errorMsg": null, "obj": obj }),
        Err(Refusal(code, text)) => {
            json!({ "success": false, "errorCode": code, "errorMsg": text, "obj": null })
        }
    }
    .to_string()
}

fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn upstream(
    Shared(state): Shared<Arc<State>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut inner = state.lock();
        *inner.asked.entry(path.clone()).or_default() += 1;
        inner.faults.get_mut(&path).and_then(VecDeque::pop_front)
    };
    let text = String::from_utf8_lossy(&body);
    let answer = || match state.admits(&headers, &text) {
        Err(refusal) => envelope(Err(refusal)),
        Ok(()) => match serde_json::from_str(&text) {
            Ok(asked) => envelope(state.answer(&path, &asked, fault)),
            Err(_) => envelope(Err(Refusal("000104", "Request in invalid JSON format"))),
        },
    };
    match fault {
        None | Some(Fault::NoStock | Fault::NoBalance | Fault::Repeated) => json_text(answer()),
        Some(Fault::Busy) => {
            json_text(envelope(Err(Refusal("900001", "The system is busy, please try again later."))))
        }
        Some(Fault::BadSignature) => {
            json_text(envelope(Err(Refusal("101003", "Request signature mismatch."))))
        }
        Some(Fault::ServerError) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::ServerErrorAfter) => {
            answer();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some(Fault::Malformed) => {
            answer();
            "<html><body>Bad gateway</body></html>".into_response()
        }
        Some(Fault::Slow) => {
            let text = answer();
            tokio::time::sleep(Duration::from_mins(1)).await;
            json_text(text)
        }
        Some(Fault::LostAnswer) => {
            answer();
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(broken) })).into_response()
        }
    }
}

async fn orders(Shared(state): Shared<Arc<State>>) -> Response {
    json_text(json!(state.orders()).to_string())
}

async fn asked(Shared(state): Shared<Arc<State>>) -> Response {
    json_text(json!(state.lock().asked).to_string())
}

#[derive(Deserialize)]
struct FaultOrder {
    on: String,
    fault: Fault,
    #[serde(default = "once")]
    times: usize,
}

const fn once() -> usize {
    1
}

async fn fault(Shared(state): Shared<Arc<State>>, axum::Json(order): axum::Json<FaultOrder>) -> StatusCode {
    let faults = std::iter::repeat_n(order.fault, order.times.min(10_000));
    state.lock().faults.entry(order.on).or_default().extend(faults);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct PriceChange {
    code: String,
    price: i64,
}

#[derive(Deserialize)]
struct Change {
    balance: Option<i64>,
    allocate_ms: Option<u64>,
    price: Option<PriceChange>,
    gone: Option<String>,
}

async fn set(Shared(state): Shared<Arc<State>>, axum::Json(change): axum::Json<Change>) -> StatusCode {
    let mut inner = state.lock();
    if let Some(balance) = change.balance {
        inner.balance_e4 = balance;
    }
    if let Some(allocate_ms) = change.allocate_ms {
        inner.allocate_ms = allocate_ms;
    }
    if let Some(PriceChange { code, price }) = change.price
        && let Some(package) = inner.packages.iter_mut().find(|package| package.code == code)
    {
        package.price_e4 = price;
    }
    if let Some(gone) = change.gone {
        inner.packages.retain(|package| package.code != gone);
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct EsimChange {
    order_no: String,
    state: String,
    #[serde(default)]
    used: i64,
}

async fn esim(Shared(state): Shared<Arc<State>>, axum::Json(change): axum::Json<EsimChange>) -> StatusCode {
    let mut inner = state.lock();
    let life = inner.orders.lives.entry(change.order_no).or_default();
    (life.state, life.used) = (Some(change.state), change.used);
    StatusCode::NO_CONTENT
}
