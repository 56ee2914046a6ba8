//! What a call sees of the catalog: one immutable picture, replaced as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate_rating::{CallRate, E164, Money, NoRate, PlanTerms, PricedTariff, Tariff};

use super::fx::Rate;
use jiff::Timestamp;

/// Why a tariff prices nothing, and with it the plans and trunks that stand on it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// The deck is in another currency than the wallets and no exchange rate is set.
    #[error(
        "tariff {tariff:?} is in {from} and no exchange rate from {from} to {to} is set: tollgate fx set {from} {to} RATE"
    )]
    MissingRate {
        /// The tariff.
        tariff: Arc<str>,
        /// The deck's currency.
        from: Arc<str>,
        /// The wallets' currency.
        to: Arc<str>,
    },
    /// Prices were converted into a currency that is not the wallets' any more.
    #[error(
        "tariff {tariff:?} is priced in {priced_in}, the wallets are in {wallets}: import its deck again"
    )]
    OtherCurrency {
        /// The tariff.
        tariff: Arc<str>,
        /// What it was priced in.
        priced_in: Arc<str>,
        /// `money.currency`.
        wallets: Arc<str>,
    },
    /// What is stored does not make a tariff or plan.
    #[error("{what} cannot be used: {reason}")]
    Damaged {
        /// Which tariff or plan.
        what: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
}

/// The versions that say a plan's every price: the ticket carries them.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct PriceKey {
    /// The tariff's version.
    pub tariff_version_id: i64,
    /// The versions of the plans, the one that sells the tariff first, the plan itself last.
    pub plan_version_ids: Vec<i64>,
}

/// A plan as it is sold now.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// The reseller it belongs to; the operator's where none.
    pub owner_id: Option<i64>,
    /// The versions behind its prices.
    pub key: PriceKey,
    /// Its prices.
    pub priced: Result<PricedTariff, Unusable>,
    /// The longest call in seconds.
    pub max_call_seconds: Option<u32>,
    /// Whether its owner's clients can choose it themselves.
    pub signup: bool,
    /// Credit of a new client.
    pub initial_credit: Money,
    /// How many plans an agent on it may own.
    pub tariff_limit: Option<u32>,
}

/// Why a plan has no rate for a call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanRateError {
    /// Its tariff prices nothing.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The number has no rate.
    #[error(transparent)]
    NoRate(#[from] NoRate),
}

impl Plan {
    /// The rate of a call to that number at that moment.
    pub fn rate(&self, number: E164, at: Timestamp) -> Result<CallRate, PlanRateError> {
        match &self.priced {
            Ok(priced) => Ok(priced.rate(number, at)?),
            Err(unusable) => Err(unusable.clone().into()),
        }
    }
}

/// Calls that are on a trunk now. Shared by every picture of the catalog, so that a change of the catalog loses none.
#[derive(Debug, Default)]
pub struct LiveCalls(AtomicU32);

impl LiveCalls {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes a place unless `max` are taken; true where it did.
    #[must_use]
    pub fn reserve(&self, max: Option<u32>) -> bool {
        let max = max.unwrap_or(u32::MAX);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| (live < max).then_some(live + 1))
            .is_ok()
    }

    /// Takes a place whatever the limit: for a call that is already up, such as one found after a restart.
    pub fn occupy(&self) {
        // Saturating: a counter that wrapped would open the trunk.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| Some(live.saturating_add(1)));
    }

    /// Gives a place back.
    pub fn release(&self) {
        let released = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| live.checked_sub(1));
        debug_assert!(released.is_ok(), "every place that is given back was taken");
    }
}

/// A carrier's endpoint as it is dialled and bought now.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// The PJSIP endpoint.
    pub endpoint: Box<str>,
    /// The host of the dialled URI.
    pub host: Option<Box<str>>,
    /// Breaks ties of price: the lower first.
    pub priority: i64,
    /// Breaks ties of priority: its share of the calls.
    pub weight: u64,
    /// Digits taken off the front where the number begins with them.
    pub strip: Box<str>,
    /// Digits put in front.
    pub prepend: Box<str>,
    /// The most calls at once.
    pub max_calls: Option<u32>,
    /// Whether calls are routed over it.
    pub active: bool,
    /// The version of its buying tariff.
    pub tariff_version_id: i64,
    /// The currency its deck came in.
    pub deck_currency: Arc<str>,
    /// The rate at which that deck was converted.
    pub fx_rate: Option<Rate>,
    /// What it costs, in the wallets' currency.
    pub buy: Result<PricedTariff, Unusable>,
    /// How its seconds become blocks and in which zone its windows are, whatever its tariff's version.
    pub buy_terms: Result<Arc<PlanTerms>, Unusable>,
    /// Calls on it now.
    pub live: Arc<LiveCalls>,
}

impl Trunk {
    /// Whether it carries as many calls as it may.
    pub fn is_full(&self) -> bool {
        self.max_calls.is_some_and(|max| self.live.count() >= max)
    }

    /// What Dial is told: `PJSIP/endpoint/sip:number@host`, or `PJSIP/number@endpoint` where it has no host.
    pub fn dial_string(&self, number: E164) -> String {
        let digits = number.to_string();
        // A number that is nothing but what is stripped stays whole: an empty user part would dial the endpoint itself.
        let stripped = digits.strip_prefix(&*self.strip).filter(|rest| !rest.is_empty()).unwrap_or(&digits);
        match &self.host {
            Some(host) => format!("PJSIP/{}/sip:{}{stripped}@{host}", self.endpoint, self.prepend),
            None => format!("PJSIP/{}{stripped}@{}", self.prepend, self.endpoint),
        }
    }
}

/// A tariff that a plan or trunk stands on.
#[derive(Clone, Debug)]
pub struct CurrentTariff {
    /// The tariff's id.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// Its current version.
    pub version_id: i64,
    /// That version, compiled in the wallets' currency.
    pub compiled: Result<Arc<Tariff>, Unusable>,
}

/// The catalog at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) plans: HashMap<i64, Arc<Plan>>,
    pub(super) plan_names: HashMap<Arc<str>, i64>,
    pub(super) trunks: Vec<Arc<Trunk>>,
    pub(super) tariffs: HashMap<i64, CurrentTariff>,
}

impl Snapshot {
    /// The plan of that id.
    pub fn plan(&self, plan_id: i64) -> Option<&Arc<Plan>> {
        self.plans.get(&plan_id)
    }

    /// The plan of that name.
    pub fn plan_named(&self, name: &str) -> Option<&Arc<Plan>> {
        self.plan_names.get(name).and_then(|id| self.plans.get(id))
    }

    /// Every plan, in no order.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.values()
    }

    /// Every trunk, by name.
    pub fn trunks(&self) -> &[Arc<Trunk>] {
        &self.trunks
    }

    /// The trunk of that id.
    pub fn trunk(&self, trunk_id: i64) -> Option<&Arc<Trunk>> {
        self.trunks.iter().find(|trunk| trunk.id == trunk_id)
    }

    /// The tariffs that plans and trunks stand on, in no order.
    pub fn tariffs(&self) -> impl Iterator<Item = &CurrentTariff> {
        self.tariffs.values()
    }

    /// What prices nothing now, in sentences for `doctor` and the log.
    pub fn complaints(&self) -> Vec<String> {
        let plans = self.plans.values().filter_map(|plan| {
            let unusable = plan.priced.as_ref().err()?;
            Some(format!("plan {:?} has no prices: {unusable}", plan.name))
        });
        let trunks = self.trunks.iter().filter_map(|trunk| {
            let unusable = trunk.buy.as_ref().err()?;
            Some(format!("trunk {:?} is not used: {unusable}", trunk.name))
        });
        let mut all: Vec<String> = plans.chain(trunks).collect();
        all.sort();
        all
    }
}
