//! Call detail records: the events of a call, its payers and their charges, and its cost.

use jiff::{Timestamp, fmt::serde::timestamp::microsecond};
use serde::{Deserialize, Serialize};
use tollgate_rating::Money;

use super::to_micros;

/// Key of a call: unique ids repeat across servers, and a channel may dial more than once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallKey {
    /// Asterisk's `systemname`.
    pub server: String,
    /// The channel's unique id.
    pub unique_id: String,
    /// Number of the outgoing leg, from 1.
    pub leg: u32,
}

/// Defines enums that the database stores as texts.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Returns the word that the database and the APIs use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Parses the word of a variant.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Kind of a call.
    CallKind {
        /// An ordinary call, charged to its chain of accounts.
        Call = "call",
        /// An emergency call: dialled without authorization, free, recorded afterwards.
        Emergency = "emergency",
    }
}

words! {
    /// Direction of a call.
    Direction {
        /// From one of our peers to a carrier.
        Outbound = "outbound",
        /// From a carrier to one of our peers.
        Inbound = "inbound",
    }
}

words! {
    /// Disposition of a call.
    Disposition {
        /// The call was answered.
        Answered = "answered",
        /// The call was answered, and ended because its payers' credit was exhausted.
        CreditExhausted = "credit_exhausted",
        /// It rang without an answer.
        NoAnswer = "no_answer",
        /// The called side was busy.
        Busy = "busy",
        /// The caller hung up before an answer.
        Cancelled = "cancelled",
        /// No route accepted it.
        Failed = "failed",
        /// It was never dialled.
        Refused = "refused",
    }
}

words! {
    /// Source of the answered duration, best first.
    DurationSource {
        /// Asterisk's own measurement.
        Asterisk = "asterisk",
        /// The record that Asterisk kept while this service was unavailable.
        Astdb = "astdb",
        /// The last time at which the call was known to be alive.
        LastProofOfLife = "last_proof_of_life",
        /// The call was not answered, or not made.
        None = "none",
    }
}

/// An attempt on one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAttempt {
    /// The route's number in the grant, from 1.
    pub route: u32,
    /// Name of the trunk, if the grant is known.
    pub trunk: Option<String>,
    /// Asterisk's DIALSTATUS.
    pub dial_status: String,
    /// Asterisk's HANGUPCAUSE (Q.850).
    pub cause: Option<u16>,
    /// Duration in milliseconds.
    pub ms: Option<u64>,
}

/// The trunk that carried the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkUsed {
    /// Id in the catalogue.
    pub trunk_id: i64,
    /// Name at the time of the call.
    pub name: String,
}

/// The facts recorded about a call, apart from charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrDraft {
    /// Kind of the call.
    pub kind: CallKind,
    /// Direction of the call.
    pub direction: Direction,
    /// Disposition of the call.
    pub disposition: Disposition,
    /// Machine code of the refusal, if refused.
    pub refused_reason: Option<String>,
    /// The calling account, if known.
    pub account_id: Option<i64>,
    /// Name of the peer.
    pub endpoint: String,
    /// The caller's number as presented to the carrier, or as received.
    pub caller: String,
    /// Digits as dialled.
    pub dialled: String,
    /// E.164 digits that were rated.
    pub number: Option<String>,
    /// Name of the destination in the retail deck.
    pub destination: Option<String>,
    /// Time of authorization or refusal.
    #[serde(with = "microsecond::required")]
    pub setup_at: Timestamp,
    /// Time of answer.
    #[serde(with = "microsecond::optional")]
    pub answered_at: Option<Timestamp>,
    /// Time of the end.
    #[serde(with = "microsecond::required")]
    pub ended_at: Timestamp,
    /// Actual answered duration in milliseconds: the basis of the carrier's cost.
    pub answered_ms: u64,
    /// Duration charged to the payers in milliseconds, at most the actual one.
    pub charged_ms: u64,
    /// Milliseconds by which the call outlived its funded end.
    pub overrun_ms: u64,
    /// Post-dial delay in milliseconds.
    pub pdd_ms: Option<u64>,
    /// Asterisk's HANGUPCAUSE (Q.850).
    pub hangup_cause: Option<u16>,
    /// Code of the last SIP response.
    pub sip_code: Option<u16>,
    /// Party that hung up: `caller`, `callee`, `tollgate`, …
    pub hung_up_by: Option<String>,
    /// Source address of the SIP request.
    pub source_address: Option<String>,
    /// The SIP Call-ID.
    pub sip_call_id: Option<String>,
    /// Source of the duration.
    pub duration_source: DurationSource,
    /// Trunk that carried the call.
    pub trunk: Option<TrunkUsed>,
    /// The route's number in the grant; 0 for none.
    pub route: u32,
    /// Every attempted route, in order.
    pub attempts: Vec<RouteAttempt>,
    /// Currency of every amount here (the wallets' own).
    pub currency: String,
}

/// The part of a payer in a settled call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerCharge {
    /// Id of the paying account.
    pub account_id: i64,
    /// Versions of the plans, from the base plan to the account's own.
    pub plan_versions: Vec<i64>,
    /// Version of the tariff beneath the plans.
    pub tariff_version: Option<i64>,
    /// Matching prefix.
    pub prefix: Option<String>,
    /// Price per minute at the time of answer, as printed.
    pub price_per_minute: Option<Money>,
    /// Billed seconds.
    pub billed_seconds: u64,
    /// Amount debited from the wallet.
    pub charge: Money,
    /// The rate itself ([`tollgate_rating::CallRate`] as JSON), from which the audit computes the charge again.
    pub rate_json: Option<String>,
}

/// Cost of the carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyCost {
    /// Version of the trunk's tariff.
    pub tariff_version: Option<i64>,
    /// Matching prefix in that tariff.
    pub prefix: Option<String>,
    /// Price per minute in the wallets' currency.
    pub price_per_minute: Option<Money>,
    /// Currency of the carrier's deck.
    pub currency: String,
    /// Exchange rate at which the deck was compiled, in decimal text: units of the wallets' currency for one of the
    /// deck's.
    pub fx_rate: Option<String>,
    /// Billed seconds.
    pub billed_seconds: u64,
    /// Cost in the wallets' currency.
    pub cost: Money,
    /// The rate itself, prices converted, as JSON.
    pub rate_json: Option<String>,
}

/// A call that ended: a fact, accepted once by its key, from any epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Key of the call.
    pub key: CallKey,
    /// Facts of the call.
    pub cdr: CdrDraft,
    /// Payers and their charges: the client first, then each reseller above it. Empty for a free call.
    pub payers: Vec<PayerCharge>,
    /// Cost of the carrier, if a trunk was used.
    pub buy: Option<BuyCost>,
    /// True if written without the call's ticket: a settlement of the same call with its ticket replaces it, once.
    #[serde(default)]
    pub provisional: bool,
}

impl Settlement {
    /// Returns the call's key extended by the time of its grant, for a call whose unique id an earlier call had.
    pub(crate) fn key_apart(&self) -> CallKey {
        let granted_at = to_micros(self.cdr.setup_at);
        CallKey { unique_id: format!("{}~{granted_at:x}", self.key.unique_id), ..self.key.clone() }
    }
}

/// A refused call. It claims no call key: the caller may call again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAttempt {
    /// Key of the call.
    pub key: CallKey,
    /// Facts of the request; its disposition is refused, with a reason.
    pub cdr: CdrDraft,
    /// Accounts of the chain that would have paid, as far as known: the client first.
    pub account_ids: Vec<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_its_variant() {
        assert_eq!(Disposition::from_word(Disposition::NoAnswer.as_str()), Some(Disposition::NoAnswer));
        assert_eq!(Disposition::from_word("answred"), None);
        assert_eq!(
            serde_json::to_string(&DurationSource::LastProofOfLife).unwrap(),
            "\"last_proof_of_life\""
        );
    }
}
