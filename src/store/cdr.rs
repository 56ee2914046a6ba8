//! Call detail records: what happened to a call, who paid what for it, and what it cost.

use jiff::{Timestamp, fmt::serde::timestamp::microsecond};
use serde::{Deserialize, Serialize};
use tollgate_rating::Money;

use super::to_micros;

/// What names a call: unique ids repeat across servers, and a channel may dial more than once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallKey {
    /// Asterisk's `systemname`.
    pub server: String,
    /// The channel's unique id.
    pub unique_id: String,
    /// The outgoing leg, from 1.
    pub leg: u32,
}

/// Texts that the database keeps: the enum's name for each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// The word that the database and the APIs use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What sort of call it was.
    CallKind {
        /// An ordinary call, paid for by its chain.
        Call = "call",
        /// An emergency call: dialled without authorisation, free, recorded afterwards.
        Emergency = "emergency",
    }
}

words! {
    /// Which way it went.
    Direction {
        /// From one of our peers to a carrier.
        Outbound = "outbound",
        /// From a carrier to one of our peers.
        Inbound = "inbound",
    }
}

words! {
    /// How it ended.
    Disposition {
        /// Somebody answered.
        Answered = "answered",
        /// Somebody answered, and the call ended because its payers could pay no more.
        CreditExhausted = "credit_exhausted",
        /// It rang until somebody gave up.
        NoAnswer = "no_answer",
        /// The called side was busy.
        Busy = "busy",
        /// The caller hung up before an answer.
        Cancelled = "cancelled",
        /// No route took it.
        Failed = "failed",
        /// It was never dialled.
        Refused = "refused",
    }
}

words! {
    /// Where the answered duration comes from, best first.
    DurationSource {
        /// Asterisk's own measurement.
        Asterisk = "asterisk",
        /// The record that Asterisk kept for us while we were away.
        Astdb = "astdb",
        /// The last moment at which the call was known to be alive.
        LastProofOfLife = "last_proof_of_life",
        /// There was no answer, or no call.
        None = "none",
    }
}

/// One try of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAttempt {
    /// The route's number in the grant, from 1.
    pub route: u32,
    /// The trunk, if the grant is known.
    pub trunk: Option<String>,
    /// Asterisk's DIALSTATUS.
    pub dial_status: String,
    /// Asterisk's HANGUPCAUSE (Q.850).
    pub cause: Option<u16>,
    /// How long it took.
    pub ms: Option<u64>,
}

/// The trunk that carried the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkUsed {
    /// Its id in the catalogue.
    pub trunk_id: i64,
    /// Its name then.
    pub name: String,
}

/// What is written down about a call besides its money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrDraft {
    /// What sort of call.
    pub kind: CallKind,
    /// Which way.
    pub direction: Direction,
    /// How it ended.
    pub disposition: Disposition,
    /// The machine code of the refusal, when refused.
    pub refused_reason: Option<String>,
    /// The account that called, if it was known.
    pub account_id: Option<i64>,
    /// The peer's name.
    pub endpoint: String,
    /// The caller's number as it was shown to the carrier, or as it came.
    pub caller: String,
    /// The digits as dialled.
    pub dialled: String,
    /// The E.164 digits that were rated.
    pub number: Option<String>,
    /// The destination's name in the retail deck.
    pub destination: Option<String>,
    /// When it was authorised, or refused.
    #[serde(with = "microsecond::required")]
    pub setup_at: Timestamp,
    /// When it was answered.
    #[serde(with = "microsecond::optional")]
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    #[serde(with = "microsecond::required")]
    pub ended_at: Timestamp,
    /// The real answered duration: what the carrier is paid for.
    pub answered_ms: u64,
    /// The duration that the payers are charged for, at most the real one.
    pub charged_ms: u64,
    /// By how much it outlived its funded end.
    pub overrun_ms: u64,
    /// Post-dial delay.
    pub pdd_ms: Option<u64>,
    /// Asterisk's HANGUPCAUSE (Q.850).
    pub hangup_cause: Option<u16>,
    /// The last SIP answer.
    pub sip_code: Option<u16>,
    /// `caller`, `callee`, `tollgate`, …
    pub hung_up_by: Option<String>,
    /// Where the SIP request came from.
    pub source_address: Option<String>,
    /// The SIP Call-ID.
    pub sip_call_id: Option<String>,
    /// Where the duration comes from.
    pub duration_source: DurationSource,
    /// The trunk that carried it.
    pub trunk: Option<TrunkUsed>,
    /// The route's number in the grant; 0: none.
    pub route: u32,
    /// Every route that was tried, in order.
    pub attempts: Vec<RouteAttempt>,
    /// The currency of every amount here (the wallets' own).
    pub currency: String,
}

/// One payer's part of a settled call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerCharge {
    /// Who pays.
    pub account_id: i64,
    /// The plan's versions, from the base plan to the account's own.
    pub plan_versions: Vec<i64>,
    /// The version of the tariff under them.
    pub tariff_version: Option<i64>,
    /// The prefix that matched.
    pub prefix: Option<String>,
    /// The price per minute at the answer, as printed.
    pub price_per_minute: Option<Money>,
    /// Seconds billed.
    pub billed_seconds: u64,
    /// What is taken from the wallet.
    pub charge: Money,
    /// The rate itself ([`tollgate_rating::CallRate`] as JSON), from which the audit computes the charge again.
    pub rate_json: Option<String>,
}

/// What the carrier gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyCost {
    /// The version of the trunk's tariff.
    pub tariff_version: Option<i64>,
    /// The prefix that matched in it.
    pub prefix: Option<String>,
    /// The price per minute in the wallets' currency.
    pub price_per_minute: Option<Money>,
    /// The currency of the carrier's deck.
    pub currency: String,
    /// Units of the wallets' currency for one of the deck's, as decimal text: the rate the deck was compiled at.
    pub fx_rate: Option<String>,
    /// Seconds billed.
    pub billed_seconds: u64,
    /// The cost in the wallets' currency.
    pub cost: Money,
    /// The rate itself, prices converted, as JSON.
    pub rate_json: Option<String>,
}

/// A call that ended: a fact, accepted once by its key, from any epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Which call.
    pub key: CallKey,
    /// What happened.
    pub cdr: CdrDraft,
    /// Who paid: the client first, then each reseller above it. Empty for a call that nobody pays for.
    pub payers: Vec<PayerCharge>,
    /// The carrier's side, when a trunk was paid.
    pub buy: Option<BuyCost>,
    /// Written without the call's ticket: a settlement of the same call with its ticket replaces it, once.
    #[serde(default)]
    pub provisional: bool,
}

impl Settlement {
    /// The same call under a key with the time of its grant, for a call whose unique id another one had before.
    pub(crate) fn key_apart(&self) -> CallKey {
        let granted_at = to_micros(self.cdr.setup_at);
        CallKey { unique_id: format!("{}~{granted_at:x}", self.key.unique_id), ..self.key.clone() }
    }
}

/// A call that was refused. It takes no call key: whoever was refused may call again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAttempt {
    /// Which call.
    pub key: CallKey,
    /// What was asked; its disposition is refused and it has a reason.
    pub cdr: CdrDraft,
    /// The chain that would have paid, as far as it was known: the client first.
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
