//! Rows that a client's own scripts and its reseller's portal are both shown: what the account itself did and got, and
//! nothing of whoever is above it.

use jiff::Timestamp;
use serde::Serialize;
use tollgate_rating::Money;
use utoipa::ToSchema;

use super::amount::{D4, Num};
use crate::accounts::callerids::Listed;
use crate::store::cdr::Disposition;
use crate::store::from_micros;
use crate::store::history::{OwnCall, Refill};

const MS_A_SECOND: i64 = 1_000;

/// A stamp as answers show it: `2026-05-09T21:00:00Z`.
pub fn stamp(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// An amount as the API in question writes it.
pub trait Shown: From<Money> + Serialize + ToSchema + Send {}

impl From<Money> for D4 {
    fn from(amount: Money) -> Self {
        Self(amount)
    }
}

impl From<Money> for Num {
    fn from(amount: Money) -> Self {
        Self(amount)
    }
}

impl Shown for D4 {}
impl Shown for Num {}

/// How a call ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallStatus {
    /// Somebody answered.
    Answered,
    /// The called side was busy.
    Busy,
    /// Nobody answered before somebody gave up.
    NoAnswer,
    /// It could not be connected.
    Failed,
    /// It was never dialled.
    Refused,
}

impl CallStatus {
    fn of(disposition: &str) -> Self {
        match Disposition::from_word(disposition) {
            Some(Disposition::Answered | Disposition::CreditExhausted) => Self::Answered,
            Some(Disposition::Busy) => Self::Busy,
            Some(Disposition::NoAnswer | Disposition::Cancelled) => Self::NoAnswer,
            Some(Disposition::Refused) => Self::Refused,
            Some(Disposition::Failed) | None => Self::Failed,
        }
    }
}

/// A call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CallRow<A: Shown> {
    id: i64,
    uniqueid: String,
    started_at: String,
    callerid: String,
    called: String,
    destination: Option<String>,
    prefix: Option<String>,
    /// Seconds answered, rounded up.
    duration: i64,
    billed_seconds: i64,
    price_per_minute: A,
    cost: A,
    status: CallStatus,
}

impl<A: Shown> From<OwnCall> for CallRow<A> {
    fn from(call: OwnCall) -> Self {
        Self {
            id: call.id,
            uniqueid: call.unique_id,
            started_at: stamp(from_micros(call.setup_at)),
            callerid: call.caller,
            called: call.number.unwrap_or(call.dialled),
            destination: call.destination,
            prefix: call.prefix,
            duration: call.answered_ms / MS_A_SECOND + i64::from(call.answered_ms % MS_A_SECOND > 0),
            billed_seconds: call.billed_seconds,
            price_per_minute: Money::from_nanos(call.price.unwrap_or(0)).into(),
            cost: Money::from_nanos(call.charge).into(),
            status: CallStatus::of(&call.disposition),
        }
    }
}

/// A call that nobody answered, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FailedCallRow<A: Shown> {
    #[serde(flatten)]
    call: CallRow<A>,
    /// What kept it from being answered.
    cause: String,
    /// Q.850.
    hangup_cause: Option<i64>,
}

impl<A: Shown> From<OwnCall> for FailedCallRow<A> {
    fn from(call: OwnCall) -> Self {
        let reason = call.refused_reason.clone().unwrap_or_else(|| call.disposition.clone());
        Self { cause: for_clients(reason), hangup_cause: call.hangup_cause, call: call.into() }
    }
}

/// A reason without what is between a reseller and its carriers and whoever sells to it.
fn for_clients(reason: String) -> String {
    match reason.as_str() {
        "no_wholesale_credit" | "no_route" => "unavailable".to_owned(),
        _ => reason,
    }
}

/// Where money came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefillType {
    /// A voucher was redeemed.
    Voucher,
    /// Retail credit, or money between a client and its subaccounts.
    Transfer,
    /// A payment.
    Payment,
    /// Credit by the operator.
    Credit,
}

impl RefillType {
    fn of(kind: &str) -> Self {
        match kind {
            "voucher" => Self::Voucher,
            "payment" => Self::Payment,
            "credit" => Self::Credit,
            // An automatic top-up is a transfer that nobody had to ask for.
            _ => Self::Transfer,
        }
    }
}

/// Money that came in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefillRow<A: Shown> {
    id: i64,
    created_at: String,
    amount: A,
    #[serde(rename = "type")]
    kind: RefillType,
    description: String,
}

impl<A: Shown> From<Refill> for RefillRow<A> {
    fn from(refill: Refill) -> Self {
        Self {
            id: refill.id,
            created_at: stamp(from_micros(refill.at)),
            amount: Money::from_nanos(refill.amount).into(),
            kind: RefillType::of(&refill.kind),
            description: refill.note.unwrap_or_default(),
        }
    }
}

/// A number that may be presented.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CalleridRow {
    id: i64,
    cid: String,
    name: String,
    /// 1: the next call presents it.
    active: u8,
    /// 0: it waits for the operator's word.
    approved: u8,
}

impl From<Listed> for CalleridRow {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.callerid.id,
            cid: listed.callerid.cid,
            name: listed.callerid.name,
            active: u8::from(listed.active),
            approved: u8::from(listed.callerid.approved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(disposition: &str, reason: Option<&str>) -> OwnCall {
        OwnCall {
            id: 1,
            unique_id: "u".to_owned(),
            setup_at: 1_778_360_400_123_456,
            caller: String::new(),
            dialled: "0049".to_owned(),
            number: None,
            destination: None,
            disposition: disposition.to_owned(),
            refused_reason: reason.map(str::to_owned),
            hangup_cause: Some(34),
            answered_ms: 1_001,
            prefix: None,
            price: None,
            billed_seconds: 0,
            charge: 0,
        }
    }

    #[test]
    fn a_started_second_counts_and_a_stamp_has_whole_ones() {
        let row: CallRow<D4> = call("credit_exhausted", None).into();
        assert_eq!((row.duration, row.status), (2, CallStatus::Answered));
        assert_eq!(row.started_at, "2026-05-09T21:00:00Z");
        assert_eq!(row.called, "0049");
    }

    #[test]
    fn a_client_is_not_told_of_its_resellers_purse() {
        let cause = |reason| FailedCallRow::<Num>::from(call("refused", Some(reason))).cause;
        assert_eq!(cause("no_wholesale_credit"), "unavailable");
        assert_eq!(cause("no_credit"), "no_credit");
        assert_eq!(FailedCallRow::<Num>::from(call("busy", None)).cause, "busy");
    }
}
