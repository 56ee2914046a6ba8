//! Least-cost routing: which carriers a call is offered to, in which order.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::{
    AnswerRange, CallRate, E164, Money,
    credit::{Loss, LossGuard},
};

use super::snapshot::Snapshot;
use super::trunks::Trunk;
use super::unusable::Unusable;

/// The call that carriers are compared by: a minute. The price per minute alone would hide connect fees and minimum
/// charges, and a longer call would hide both; the length of this one is not known.
const REFERENCE_MS: u64 = 60_000;

/// A carrier that a call may be offered to.
#[derive(Clone, Debug)]
pub struct Route {
    /// The carrier.
    pub trunk: Arc<Trunk>,
    /// Its cost, by its own longest prefix of the number.
    pub rate: CallRate,
}

/// Why a carrier is left out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeftOut {
    /// It is switched off.
    #[error("the trunk is inactive")]
    Inactive,
    /// It carries as many calls as it may.
    #[error("the trunk carries as many calls as it may")]
    Full,
    /// Its deck prices nothing.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// Its deck has no price for the number.
    #[error("the trunk's deck has no rate for the number")]
    NoRate,
    /// Its deck refuses the number.
    #[error("the trunk's deck blocks the number")]
    Blocked,
    /// It would cost more than the call brings in.
    #[error("the trunk costs more than the call is sold for")]
    Dearer,
}

/// A carrier's answer to a call, before carriers are compared.
#[derive(Clone, Debug)]
struct Offer<'a> {
    trunk: &'a Arc<Trunk>,
    rate: CallRate,
    minute_cost: Money,
}

fn offer(trunk: &Arc<Trunk>, number: E164, at: Timestamp) -> Result<Offer<'_>, LeftOut> {
    if !trunk.active {
        return Err(LeftOut::Inactive);
    }
    if trunk.is_full() {
        return Err(LeftOut::Full);
    }
    let priced = trunk.buy.as_ref().map_err(|unusable| LeftOut::Unusable(unusable.clone()))?;
    let rate = priced.rate(number, at).map_err(|_| LeftOut::NoRate)?;
    if rate.is_blocked() {
        return Err(LeftOut::Blocked);
    }
    let minute = rate.charge(REFERENCE_MS, at).map_err(|_| LeftOut::NoRate)?;
    Ok(Offer { trunk, rate, minute_cost: minute.amount })
}

/// The carriers for a call, cheapest first, at most `max_routes`.
///
/// Each trunk is priced by its own longest prefix of the number. What costs the same goes by priority, the lower first,
/// and by chance within one priority, each trunk with its weight. `worth_it` says whether the call may be bought at a
/// rate: the loss guard, or always true where losses are allowed. `chance` is any number, another for each call.
pub fn routes(
    snapshot: &Snapshot,
    number: E164,
    at: Timestamp,
    max_routes: usize,
    chance: u64,
    mut worth_it: impl FnMut(&Trunk, &CallRate) -> bool,
) -> Vec<Route> {
    let mut offers: Vec<Offer<'_>> =
        snapshot.trunks().iter().filter_map(|trunk| offer(trunk, number, at).ok()).collect();
    order(&mut offers, chance);
    offers
        .into_iter()
        .filter(|offer| worth_it(offer.trunk, &offer.rate))
        .take(max_routes)
        .map(|Offer { trunk, rate, .. }| Route { trunk: Arc::clone(trunk), rate })
        .collect()
}

/// A call to find carriers for.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// Where to.
    pub number: E164,
    /// When it is authorised.
    pub at: Timestamp,
    /// The rate of the last payer of the chain.
    pub sold: &'a CallRate,
    /// When it may be answered.
    pub answered: AnswerRange,
    /// How long it can last.
    pub funded_seconds: u32,
    /// True if it may be routed at a loss.
    pub allow_loss: bool,
    /// The most carriers.
    pub max_routes: usize,
    /// Any number, another for each call: it breaks the ties that weights leave.
    pub chance: u64,
}

impl RouteRequest<'_> {
    /// Reports whether the call may be bought at a rate: nowhere in its length dearer than it is sold, whether it is answered
    /// at once or as late as it can be.
    pub fn is_worth_it(&self, bought: &CallRate) -> bool {
        self.allow_loss
            || self.loss(bought, self.answered.from()).or(self.loss(bought, self.answered.until())).is_none()
    }

    fn loss(&self, bought: &CallRate, answered_at: Timestamp) -> Option<Loss> {
        let guard = LossGuard {
            first_block_seconds: self.sold.terms(answered_at).initial_block,
            funded_seconds: self.funded_seconds,
        };
        let cost = |rate: &CallRate, seconds: u32| {
            rate.charge(u64::from(seconds) * 1_000, answered_at).ok().map(|charge| charge.amount)
        };
        guard.loss(|seconds| cost(self.sold, seconds), |seconds| cost(bought, seconds))
    }
}

impl Snapshot {
    /// The carriers for a call, in the order they are to be tried.
    pub fn routes(&self, request: &RouteRequest<'_>) -> Vec<Route> {
        let RouteRequest { number, at, max_routes, chance, .. } = *request;
        routes(self, number, at, max_routes, chance, |_, bought| request.is_worth_it(bought))
    }
}

/// The decision about every trunk for a call, to explain its routes to an operator: those that would be used, in
/// order, then those left out.
pub fn explain(
    snapshot: &Snapshot,
    number: E164,
    at: Timestamp,
    mut worth_it: impl FnMut(&Trunk, &CallRate) -> bool,
) -> (Vec<Route>, Vec<(Arc<Trunk>, LeftOut)>) {
    let mut dearer = Vec::new();
    let used = routes(snapshot, number, at, usize::MAX, 0, |trunk, rate| {
        let keep = worth_it(trunk, rate);
        if !keep {
            dearer.push(trunk.id);
        }
        keep
    });
    let left_out = snapshot
        .trunks()
        .iter()
        .filter_map(|trunk| match offer(trunk, number, at) {
            Err(why) => Some((Arc::clone(trunk), why)),
            Ok(_) if dearer.contains(&trunk.id) => Some((Arc::clone(trunk), LeftOut::Dearer)),
            Ok(_) => None,
        })
        .collect();
    (used, left_out)
}

fn order(offers: &mut [Offer<'_>], chance: u64) {
    offers.sort_by_key(|offer| (offer.minute_cost, offer.trunk.priority));
    let equal =
        |a: &Offer<'_>, b: &Offer<'_>| (a.minute_cost, a.trunk.priority) == (b.minute_cost, b.trunk.priority);
    let mut chance = chance;
    for tied in offers.chunk_by_mut(equal) {
        for first in 0..tied.len().saturating_sub(1) {
            let rest = &tied[first..];
            let total: u64 = rest.iter().map(|offer| offer.trunk.weight).sum();
            chance = mix(chance);
            // Weights are at most a million: the remainder's bias is beyond measure.
            let mut drawn = chance % total.max(1);
            let chosen = rest.iter().position(|offer| {
                let hit = drawn < offer.trunk.weight;
                drawn = drawn.saturating_sub(offer.trunk.weight);
                hit
            });
            tied.swap(first, first + chosen.unwrap_or(0));
        }
    }
}

/// The next of a sequence of well mixed numbers (`SplitMix64`; Steele, Lea, Flood 2014), so that one number drawn for a
/// call decides all of its ties.
const fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
