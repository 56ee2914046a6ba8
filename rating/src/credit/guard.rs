//! Guards beside credit: no call at a loss, above the price ceiling, or to a blocked prefix.

use crate::{
    money::Money,
    number::E164,
    prefix::{IndexError, Prefix, PrefixIndex},
};

/// Compares what a route costs with what the top of the payer chain pays.
///
/// Prices of different shape cross: a route that is cheaper by the minute can be dearer for a short call. So the two
/// are compared where calls end: at the first block, after 60 s, after 180 s, and at the funded limit. Times past
/// the funded limit cannot be reached and count as that limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LossGuard {
    /// The first block of the rate that the top payer pays, in seconds; 0 counts as 1.
    pub first_block_seconds: u32,
    /// The funded limit in seconds.
    pub funded_seconds: u32,
}

/// A duration at which a route makes a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The duration in seconds.
    pub seconds: u32,
    /// The charge of the last payer; `None` if it could not be computed.
    pub sold: Option<Money>,
    /// The cost of the route; `None` if it could not be computed.
    pub bought: Option<Money>,
}

impl LossGuard {
    /// Durations after which most calls have ended, in seconds.
    const USUAL_SECONDS: [u32; 2] = [60, 180];

    /// The first duration at which buying is dearer than selling, if there is one. A cost that cannot be computed
    /// is a loss.
    pub fn loss(
        &self,
        sold: impl Fn(u32) -> Option<Money>,
        bought: impl Fn(u32) -> Option<Money>,
    ) -> Option<Loss> {
        let [minute, three_minutes] = Self::USUAL_SECONDS;
        let points = [self.first_block_seconds.max(1), minute, three_minutes, self.funded_seconds];
        points.into_iter().map(|seconds| seconds.min(self.funded_seconds)).find_map(|seconds| {
            let (sold, bought) = (sold(seconds), bought(seconds));
            let covered = matches!((sold, bought), (Some(sold), Some(bought)) if bought <= sold);
            (!covered).then_some(Loss { seconds, sold, bought })
        })
    }
}

/// The highest price per minute an account may call at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceCeiling(pub Money);

impl PriceCeiling {
    /// Reports whether calls at this price per minute are allowed: up to the ceiling, and at it.
    pub fn allows(self, price_per_minute: Money) -> bool {
        price_per_minute <= self.0
    }
}

/// The prefixes an account may not call.
#[derive(Debug)]
pub struct BlockedPrefixes(PrefixIndex);

impl BlockedPrefixes {
    /// The set of these prefixes; one given twice counts once.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Result<Self, IndexError> {
        let mut prefixes: Vec<Prefix> = prefixes.into_iter().collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        PrefixIndex::build(prefixes).map(Self)
    }

    /// The longest blocked prefix that a number begins with, if one is.
    pub fn blocking(&self, number: E164) -> Option<Prefix> {
        self.0.lookup(number).map(|(_, prefix)| prefix)
    }

    /// The prefixes, in order.
    pub fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of so many seconds at so many nanos.
    fn blocks(block: u32, nanos: i64) -> impl Fn(u32) -> Option<Money> {
        move |seconds| nanos.checked_mul(seconds.div_ceil(block).into()).map(Money::from_nanos)
    }

    const GUARD: LossGuard = LossGuard { first_block_seconds: 1, funded_seconds: 3_600 };

    #[test]
    fn a_route_at_the_selling_price_is_no_loss() {
        assert_eq!(GUARD.loss(blocks(60, 10), blocks(60, 10)), None);
    }

    #[test]
    fn a_route_that_is_cheaper_by_the_minute_but_dearer_for_the_first_second_is_a_loss() {
        let loss = GUARD.loss(blocks(1, 10), blocks(60, 500)).unwrap();
        assert_eq!((loss.seconds, loss.sold.unwrap().nanos(), loss.bought.unwrap().nanos()), (1, 10, 500));
        let longer_block = LossGuard { first_block_seconds: 60, ..GUARD };
        assert_eq!(longer_block.loss(blocks(1, 10), blocks(60, 500)), None);
    }

    #[test]
    fn each_of_the_four_durations_is_compared() {
        for expected in [7, 60, 180, 3_600] {
            let guard = LossGuard { first_block_seconds: 7, ..GUARD };
            let bought = move |seconds| Some(Money::from_nanos(if seconds == expected { 2 } else { 1 }));
            assert_eq!(guard.loss(|_| Some(Money::from_nanos(1)), bought).unwrap().seconds, expected);
        }
    }

    #[test]
    fn durations_past_the_funded_limit_are_not_compared() {
        let guard = LossGuard { first_block_seconds: 60, funded_seconds: 45 };
        let bought = |seconds| Some(Money::from_nanos(if seconds > 45 { 2 } else { 1 }));
        assert_eq!(guard.loss(|_| Some(Money::from_nanos(1)), bought), None);
    }

    #[test]
    fn a_cost_that_cannot_be_computed_is_a_loss() {
        assert!(GUARD.loss(|_| None, |_| Some(Money::ZERO)).is_some());
        assert!(GUARD.loss(|_| Some(Money::MAX), |_| None).is_some());
    }

    #[test]
    fn the_ceiling_itself_is_allowed_and_a_nano_more_is_not() {
        let ceiling = PriceCeiling(Money::from_nanos(100));
        assert!(ceiling.allows(Money::from_nanos(100)));
        assert!(!ceiling.allows(Money::from_nanos(101)));
    }

    #[test]
    fn a_number_under_a_blocked_prefix_is_blocked_by_the_longest() {
        let blocked =
            BlockedPrefixes::new(["882", "49900", "882", "8829"].map(|digits| digits.parse().unwrap()))
                .unwrap();
        let blocking =
            |number: &str| blocked.blocking(number.parse().unwrap()).map(|prefix| prefix.to_string());
        assert_eq!(blocking("88299123").as_deref(), Some("8829"));
        assert_eq!(blocking("88212345").as_deref(), Some("882"));
        assert_eq!(blocking("4930123456"), None);
        assert_eq!(blocking("88"), None);
        assert_eq!(blocked.iter().count(), 3);
    }
}
