//! The catalog as calls see it: an immutable snapshot, replaced as a whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tollgate_rating::credit::Day;
use tollgate_rating::{Money, PricedTariff, Tariff, plan::Cheapest};

use super::listing::Listing;
use super::trunks::Trunk;
use super::unusable::Unusable;

/// The message prices of a plan.
#[derive(Debug)]
pub struct MessagePrices {
    /// The version of the tariff below.
    pub tariff_version_id: i64,
    /// Its prices, read by [`PricedTariff::segment_rate`].
    pub priced: PricedTariff,
    /// The list of them.
    pub(super) listing: Listing,
    /// The lowest price as it was last worked out. With the plan it is thrown away when a deck or a markup changes.
    cheapest: Mutex<Option<Cheapest>>,
}

impl MessagePrices {
    /// Prices of messages by a version of a tariff.
    pub(super) fn new(tariff_version_id: i64, priced: PricedTariff) -> Self {
        Self { tariff_version_id, priced, listing: Listing::default(), cheapest: Mutex::default() }
    }

    /// The lowest price of a segment that is sold at an instant; none where nothing is.
    ///
    /// The list that was made when the plan was published says it. Where a rate has begun or ended to hold since and nobody
    /// has asked for the list yet, the deck is looked through.
    pub fn cheapest(&self, at: Timestamp) -> Option<Money> {
        // It holds a whole value or none, whatever panics elsewhere.
        let mut known = self.cheapest.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some(cheapest) if cheapest.holds(at) => cheapest.price,
            _ => {
                let cheapest = match self.listing.at(at) {
                    Some(list) => self.priced.cheapest_segment_of(list.sold()),
                    None => self.priced.cheapest_segment(at),
                };
                known.insert(cheapest).price
            }
        }
    }
}

/// A plan as it is sold now.
#[derive(Debug)]
pub struct Plan {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: Arc<str>,
    /// The reseller it belongs to; the operator's where none.
    pub owner_id: Option<i64>,
    /// The version of the tariff below.
    pub tariff_version_id: i64,
    /// The versions of the plans, the one that sells the tariff first, the plan itself last. With the tariff's they say
    /// every price, now and later: the ticket carries them.
    pub plan_version_ids: Vec<i64>,
    /// Its prices.
    pub priced: PricedTariff,
    /// The list of them.
    pub(super) listing: Listing,
    /// Its message prices; `None` if neither it nor a plan below it has a tariff for messages. Its plan versions are
    /// `plan_version_ids`.
    pub messages: Option<Result<Arc<MessagePrices>, Unusable>>,
    /// The longest call in seconds.
    pub max_call_seconds: Option<u32>,
    /// True if its owner's clients can choose it themselves.
    pub signup: bool,
    /// Credit of a new client.
    pub initial_credit: Money,
    /// How many plans an agent on it may own.
    pub tariff_limit: Option<u32>,
}

impl Plan {
    /// The version of the tariff that it sells messages by, where that prices anything.
    pub(super) fn message_tariff(&self) -> Option<i64> {
        self.messages.as_ref()?.as_ref().ok().map(|messages| messages.tariff_version_id)
    }

    /// The spending day a moment lies in, in the plan's time zone.
    pub fn spending_day(&self, at: Timestamp) -> Day {
        spending_day(&self.priced.terms().zone, at)
    }
}

/// The spending day a moment lies in: from midnight to midnight in a time zone. Where no midnight can be told, at the end
/// of all time, the day is one of UTC.
pub(super) fn spending_day(zone: &TimeZone, at: Timestamp) -> Day {
    let of = |zone: TimeZone| {
        let start = at.to_zoned(zone).start_of_day()?;
        let end = start.tomorrow()?.start_of_day()?;
        Ok::<_, jiff::Error>((start.timestamp().as_second(), end.timestamp().as_second()))
    };
    let at_s = at.as_second();
    let in_utc = || {
        let start_s = at_s.div_euclid(86_400) * 86_400;
        (start_s, start_s.saturating_add(86_400))
    };
    let (start_s, end_s) = of(zone.clone()).unwrap_or_else(|_| in_utc());
    Day::new(start_s, end_s, at_s)
}

/// A tariff that a plan or trunk is based on.
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
    pub(super) broken_plans: HashMap<i64, (Arc<str>, Unusable)>,
    pub(super) trunks: Vec<Arc<Trunk>>,
    pub(super) tariffs: HashMap<i64, CurrentTariff>,
}

impl Snapshot {
    /// The plan of that id; none where it has no prices (see [`Snapshot::broken_plan`]).
    pub fn plan(&self, plan_id: i64) -> Option<&Arc<Plan>> {
        self.plans.get(&plan_id)
    }

    /// The plan of that name.
    pub fn plan_named(&self, name: &str) -> Option<&Arc<Plan>> {
        self.plan_names.get(name).and_then(|id| self.plans.get(id))
    }

    /// The name of the plan of that id, whether it has prices or not.
    pub fn name_of_plan(&self, plan_id: i64) -> Option<&str> {
        let broken = || self.broken_plans.get(&plan_id).map(|(name, _)| &**name);
        self.plans.get(&plan_id).map(|plan| &*plan.name).or_else(broken)
    }

    /// Why the plan of that id has no prices, where it has none.
    pub fn broken_plan(&self, plan_id: i64) -> Option<&Unusable> {
        self.broken_plans.get(&plan_id).map(|(_, unusable)| unusable)
    }

    /// Every plan that has prices, in no order.
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

    /// The tariffs that plans and trunks are based on, in no order.
    pub fn tariffs(&self) -> impl Iterator<Item = &CurrentTariff> {
        self.tariffs.values()
    }

    /// The objects without prices, in sentences for `doctor` and the log.
    pub fn complaints(&self) -> Vec<String> {
        let plans = self
            .broken_plans
            .values()
            .map(|(name, unusable)| format!("plan {name:?} has no prices: {unusable}"));
        let trunks = self.trunks.iter().filter_map(|trunk| {
            let unusable = trunk.buy.as_ref().err()?;
            Some(format!("trunk {:?} is not used: {unusable}", trunk.name))
        });
        let messages = self.plans.values().filter_map(|plan| {
            let unusable = plan.messages.as_ref()?.as_ref().err()?;
            Some(format!("plan {:?} sells no messages: {unusable}", plan.name))
        });
        let mut all: Vec<String> = plans.chain(trunks).chain(messages).collect();
        all.sort();
        all
    }
}
