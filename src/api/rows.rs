//! Rows of the client API and of the reseller's portal: the account's own calls, refills and caller IDs, without any
//! figure of the accounts above it.

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

/// A time in answers: UTC to the second, `2026-05-09T21:00:00Z`.
pub fn stamp(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// An amount in the format of an API.
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

/// Outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallStatus {
    /// Answered.
    Answered,
    /// The called side was busy.
    Busy,
    /// Not answered before it was cancelled or timed out.
    NoAnswer,
    /// Not connected.
    Failed,
    /// Refused before dialling.
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
    /// Id of the call record.
    id: i64,
    /// Asterisk's id of the channel.
    uniqueid: String,
    /// Start of the call, UTC.
    started_at: String,
    /// Presented number.
    callerid: String,
    /// Called number.
    called: String,
    /// Destination of the rate; null where none was found.
    destination: Option<String>,
    /// Prefix of the rate; null where none was found.
    prefix: Option<String>,
    /// Seconds from the answer to the end, rounded up.
    duration: i64,
    /// Billed seconds.
    billed_seconds: i64,
    /// Price per minute.
    price_per_minute: A,
    /// Charge of the call.
    cost: A,
    /// Outcome of the call.
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

/// An unanswered call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FailedCallRow<A: Shown> {
    #[serde(flatten)]
    call: CallRow<A>,
    /// Reason: a disposition or the reason of the refusal.
    cause: String,
    /// Hangup cause, ITU-T Q.850; null where unknown.
    hangup_cause: Option<i64>,
}

impl<A: Shown> From<OwnCall> for FailedCallRow<A> {
    fn from(call: OwnCall) -> Self {
        let reason = call.refused_reason.clone().unwrap_or_else(|| call.disposition.clone());
        Self { cause: for_clients(reason), hangup_cause: call.hangup_cause, call: call.into() }
    }
}

/// Hides reasons that concern the reseller, its carriers or its wholesale account.
fn for_clients(reason: String) -> String {
    match reason.as_str() {
        "no_wholesale_credit" | "no_route" => "unavailable".to_owned(),
        _ => reason,
    }
}

/// Kind of a refill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefillType {
    /// A redeemed voucher.
    Voucher,
    /// Retail credit, or credit between a client and its subaccounts.
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
            // An automatic top-up is a transfer too.
            _ => Self::Transfer,
        }
    }
}

/// A refill of the balance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefillRow<A: Shown> {
    /// Id of the movement.
    id: i64,
    /// Time of the movement, UTC.
    created_at: String,
    /// Amount.
    amount: A,
    /// Kind of the refill.
    #[serde(rename = "type")]
    kind: RefillType,
    /// Note; empty where there is none.
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

/// A caller ID.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CalleridRow {
    /// Id of the caller ID.
    id: i64,
    /// Number, with `+` and country code.
    cid: String,
    /// Name for people.
    name: String,
    /// 1 where calls present it, else 0.
    active: u8,
    /// 0 while the operator's approval is pending, else 1.
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
    fn a_started_second_counts_and_times_are_whole_seconds() {
        let row: CallRow<D4> = call("credit_exhausted", None).into();
        assert_eq!((row.duration, row.status), (2, CallStatus::Answered));
        assert_eq!(row.started_at, "2026-05-09T21:00:00Z");
        assert_eq!(row.called, "0049");
    }

    #[test]
    fn reasons_about_the_resellers_wallet_are_hidden_from_clients() {
        let cause = |reason| FailedCallRow::<Num>::from(call("refused", Some(reason))).cause;
        assert_eq!(cause("no_wholesale_credit"), "unavailable");
        assert_eq!(cause("no_credit"), "no_credit");
        assert_eq!(FailedCallRow::<Num>::from(call("busy", None)).cause, "busy");
    }
}
