//! Trunks as calls see them: what they cost, how they are dialled, how many calls they carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate_rating::{E164, PlanTerms, PricedTariff};

use super::unusable::Unusable;

/// Number of calls on a trunk. Shared by all snapshots of the catalog, so that a change of the catalog loses none.
#[derive(Debug, Default)]
pub struct LiveCalls(AtomicU32);

impl LiveCalls {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Reserves a place unless `max` are reserved; reports whether it did.
    fn reserve(&self, max: Option<u32>) -> bool {
        let max = max.unwrap_or(u32::MAX);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| (live < max).then_some(live + 1))
            .is_ok()
    }

    fn occupy(&self) {
        // Saturating: a counter that wrapped would open the trunk.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| Some(live.saturating_add(1)));
    }

    fn release(&self) {
        let released = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| live.checked_sub(1));
        debug_assert!(released.is_ok(), "every released place was reserved");
    }
}

/// A carrier's endpoint as it is dialled and bought now.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The PJSIP endpoint.
    pub endpoint: String,
    /// The host of the dialled URI.
    pub host: Option<String>,
    /// Breaks ties of price: the lower first.
    pub priority: i64,
    /// Breaks ties of priority: its share of the calls.
    pub weight: u64,
    /// Digits removed from the front if the number begins with them.
    pub strip: String,
    /// Digits put in front.
    pub prepend: String,
    /// The most calls at once.
    pub max_calls: Option<u32>,
    /// True if calls are routed over it.
    pub active: bool,
    /// The version of its buying tariff.
    pub tariff_version_id: i64,
    /// The currency its deck came in.
    pub currency: String,
    /// The rate at which that deck was converted, as decimal text.
    pub fx_rate: Option<String>,
    /// Its cost, in the wallets' currency.
    pub buy: Result<PricedTariff, Unusable>,
    /// How its seconds become blocks and in which zone its windows are, whatever its tariff's version.
    pub buy_terms: Result<Arc<PlanTerms>, Unusable>,
    /// Calls on it now.
    pub live: Arc<LiveCalls>,
}

/// A call's place on a trunk; dropping it releases the place.
#[derive(Debug)]
#[must_use = "the place is released when this is dropped"]
pub struct Occupied(Arc<LiveCalls>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Trunk {
    /// Reserves a place if one is free.
    pub fn try_occupy(&self) -> Option<Occupied> {
        self.live.reserve(self.max_calls).then(|| Occupied(Arc::clone(&self.live)))
    }

    /// Reserves a place whatever the limit: for a call that is already up, such as one found after a restart.
    pub fn occupy(&self) -> Occupied {
        self.live.occupy();
        Occupied(Arc::clone(&self.live))
    }

    /// Reports whether it carries as many calls as it may.
    pub fn is_full(&self) -> bool {
        self.max_calls.is_some_and(|max| self.live.count() >= max)
    }

    /// The dial string: `PJSIP/endpoint/sip:number@host`, or `PJSIP/number@endpoint` if it has no host.
    pub fn dial_string(&self, number: E164) -> String {
        let digits = number.to_string();
        // A number that is nothing but what is stripped stays whole: an empty user part would dial the endpoint itself.
        let stripped =
            digits.strip_prefix(self.strip.as_str()).filter(|rest| !rest.is_empty()).unwrap_or(&digits);
        // Joined without the formatting machinery: every call makes one of these for each of its routes.
        match &self.host {
            Some(host) => ["PJSIP/", &self.endpoint, "/sip:", &self.prepend, stripped, "@", host].concat(),
            None => ["PJSIP/", &self.prepend, stripped, "@", &self.endpoint].concat(),
        }
    }
}
