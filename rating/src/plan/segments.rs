//! The charge of a message: the price of a segment times its segments.
//!
//! A tariff for messages is compiled from the same rows as one for calls: a row's `price_per_minute` is there the price of
//! a segment, and nothing but the price, the validity and `blocked` means anything. This is the only place that reads it
//! so.

use super::priced::{NoRate, PricedTariff, derive};
use crate::{
    money::Money,
    number::E164,
    prefix::Prefix,
    rounding::Rounding,
    tariff::{FoundRate, SoldPrefixes},
};
use jiff::Timestamp;
use std::sync::Arc;

/// The rate of messages to a number.
///
/// A message of some segments costs segments × price, exact, then rounded once as the plan rounds:
///
/// | price | segments | rounding | charge |
/// |---|---|---|---|
/// | 0.0475 | 3 | half-up, 6 decimals | 0.1425 |
/// | 0.0475 | 3 | up, 2 decimals | 0.15 |
/// | 0.000000333 | 3 | half-up, 6 decimals | 0.000001 |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRate {
    prefix: Prefix,
    destination: Arc<str>,
    price: Money,
    blocked: bool,
    rounding: Rounding,
}

impl SegmentRate {
    /// The prefix that the number begins with.
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Destination name of the prefix.
    pub const fn destination(&self) -> &Arc<str> {
        &self.destination
    }

    /// The price of a segment.
    pub const fn price(&self) -> Money {
        self.price
    }

    /// Reports whether numbers with the prefix get no messages.
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The charge of a message of so many segments; `None` if it exceeds the range of amounts.
    pub fn charge(&self, segments: u16) -> Option<Money> {
        let exact = i128::from(self.price.nanos()) * i128::from(segments);
        self.rounding.round(exact)
    }
}

impl PricedTariff {
    /// The rate of messages to a number at this instant: the deck's price of its longest prefix with each level's markup,
    /// rounded to the nano at each. Overrides per prefix are for calls and do not count.
    ///
    /// # Errors
    ///
    /// Where no prefix of the number has a price now, or where the markups lift it beyond any amount.
    pub fn segment_rate(&self, number: E164, at: Timestamp) -> Result<SegmentRate, NoRate> {
        self.segment_rate_of(self.tariff.find(number, at, &self.terms.zone))
    }

    /// The same for numbers that begin with this prefix and with no longer one that has a price.
    ///
    /// # Errors
    ///
    /// As [`PricedTariff::segment_rate`].
    pub fn segment_rate_of_prefix(&self, prefix: Prefix, at: Timestamp) -> Result<SegmentRate, NoRate> {
        self.segment_rate_of(self.tariff.find_prefix(prefix, at, &self.terms.zone))
    }

    fn segment_rate_of(&self, found: Option<FoundRate<'_>>) -> Result<SegmentRate, NoRate> {
        let found = found.ok_or(NoRate::NoMatch)?;
        Ok(SegmentRate {
            prefix: found.prefix(),
            destination: Arc::clone(found.destination()),
            price: derive(found.segment_price(), &self.levels)?,
            blocked: found.is_blocked(),
            rounding: self.terms.rounding,
        })
    }

    /// [`PricedTariff::cheapest_segment`], from what the deck sells ([`Tariff::sold`]): nothing is looked through.
    ///
    /// [`Tariff::sold`]: crate::Tariff::sold
    pub fn cheapest_segment_of(&self, sold: &SoldPrefixes) -> Cheapest {
        let (from, until) = sold.period();
        // A markup never makes the dearer of two prices the cheaper.
        Cheapest { price: sold.lowest().and_then(|price| derive(price, &self.levels).ok()), from, until }
    }

    /// The lowest price of a segment that the plan sells at now, and until when that is so; `None` where it sells nothing.
    ///
    /// It looks at every prefix of the deck: ask once and remember.
    pub fn cheapest_segment(&self, at: Timestamp) -> Cheapest {
        let zone = &self.terms.zone;
        let index = self.tariff.index();
        let sold = index.iter().filter_map(|prefix| {
            let found = self.tariff.find_prefix(prefix, at, zone)?;
            (found.prefix() == prefix && !found.is_blocked()).then(|| found.segment_price())
        });
        // A markup never makes the dearer of two prices the cheaper.
        let price = sold.min().and_then(|price| derive(price, &self.levels).ok());
        Cheapest { price, from: at, until: self.tariff.next_change(at, zone) }
    }
}

/// A lowest price, and the time for which it is known to be that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cheapest {
    /// The price of a segment; none where nothing is sold.
    pub price: Option<Money>,
    /// Since when it is known.
    pub from: Timestamp,
    /// When a rate begins or ends to hold; never, where none.
    pub until: Option<Timestamp>,
}

impl Cheapest {
    /// Reports whether it is known for an instant.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        PlanTerms, RateRow, Tariff,
        plan::{Derivation, Markup, RoundingMode},
    };
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan(rows: &[(&str, &str)], markups: &[&str], rounding: Rounding) -> PricedTariff {
        let rows = rows
            .iter()
            .zip(2..)
            .map(|((prefix, price), line)| RateRow::new(line, prefix.parse().unwrap(), money(price)));
        let levels = markups.iter().map(|markup| Arc::new(Derivation::markup(markup.parse().unwrap())));
        let terms = PlanTerms { rounding, ..PlanTerms::default() };
        PricedTariff::new(Arc::new(Tariff::compile(rows).unwrap()), levels.collect(), Arc::new(terms))
    }

    #[test]
    fn a_message_costs_its_segments_rounded_once() {
        for (price, segments, mode, decimals, charge) in [
            ("0.0475", 3, RoundingMode::HalfUp, 6, "0.1425"),
            ("0.0475", 3, RoundingMode::Up, 2, "0.15"),
            ("0.000000333", 3, RoundingMode::HalfUp, 6, "0.000001"),
            ("0.0000005", 1, RoundingMode::HalfEven, 6, "0"),
            ("0.0000005", 3, RoundingMode::HalfEven, 6, "0.000002"),
            ("0.0475", 10, RoundingMode::Down, 1, "0.4"),
            ("0", 10, RoundingMode::Up, 0, "0"),
        ] {
            let plan = plan(&[("49", price)], &[], Rounding::new(mode, decimals).unwrap());
            let rate = plan.segment_rate("4915112345".parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(rate.charge(segments).unwrap().to_string(), charge, "{price} x {segments}");
        }
    }

    #[test]
    fn each_level_adds_its_markup_to_the_longest_prefixs_price() {
        let plan = plan(&[("49", "0.07"), ("4915", "0.0333")], &["20", "12.5"], Rounding::default());
        let rate = |number: &str| plan.segment_rate(number.parse().unwrap(), Timestamp::UNIX_EPOCH);
        // 0.0333 + 20 % = 0.03996; + 12.5 % = 0.044955
        let mobile = rate("4915112345").unwrap();
        assert_eq!((mobile.prefix().to_string(), mobile.price()), ("4915".to_owned(), money("0.044955")));
        assert_eq!(rate("4930123456").unwrap().price(), money("0.0945"));
        assert_eq!(rate("33123456789").unwrap_err(), NoRate::NoMatch);
        let of_prefix = plan.segment_rate_of_prefix("491".parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(of_prefix.price(), money("0.0945"));
    }

    #[test]
    fn the_cheapest_is_known_until_a_rate_begins_or_ends() {
        let row = |line, prefix: &str, price| RateRow::new(line, prefix.parse().unwrap(), money(price));
        let rows = [
            row(2, "49", "0.07"),
            RateRow { blocked: true, ..row(3, "882", "0.001") },
            RateRow { valid_from: "2026-07-01".parse().ok(), ..row(4, "33", "0.05") },
            RateRow {
                valid_from: "2026-08-01".parse().ok(),
                valid_until: "2026-09-01".parse().ok(),
                ..row(5, "33", "0.09")
            },
        ];
        let tariff = Arc::new(Tariff::compile(rows).unwrap());
        let level = Arc::new(Derivation::markup("100".parse::<Markup>().unwrap()));
        let plan = PricedTariff::new(tariff, vec![level], Arc::new(PlanTerms::default()));
        let cheapest = |text: &str| {
            let found = plan.cheapest_segment(at(text));
            assert!(found.holds(at(text)));
            let of_list = plan.cheapest_segment_of(&plan.tariff().sold(at(text), &plan.terms().zone));
            assert!(of_list.holds(at(text)));
            assert_eq!((of_list.price, of_list.until), (found.price, found.until));
            (found.price.unwrap().to_string(), found.until.map(|until| until.to_string()))
        };
        let until = |text: &str| Some(text.to_owned());
        assert_eq!(cheapest("2026-06-01T00:00:00Z"), ("0.14".to_owned(), until("2026-07-01T00:00:00Z")));
        assert_eq!(cheapest("2026-07-01T00:00:00Z"), ("0.1".to_owned(), until("2026-08-01T00:00:00Z")));
        // The rate that began last is valid, though it is higher.
        assert_eq!(cheapest("2026-08-15T00:00:00Z"), ("0.14".to_owned(), until("2026-09-01T00:00:00Z")));
        assert_eq!(cheapest("2026-09-01T00:00:00Z"), ("0.1".to_owned(), None));
        assert!(!plan.cheapest_segment(at("2026-06-01T00:00:00Z")).holds(at("2026-07-01T00:00:00Z")));
    }

    proptest! {
        #[test]
        fn a_charge_is_the_exact_product_within_half_a_unit(
            price in 0..=1_000_000_000_000_000_i64, segments in 1..=10_u16, decimals in 0..=9_u8,
        ) {
            let rounding = Rounding::new(RoundingMode::HalfUp, decimals).unwrap();
            let price_text = Money::from_nanos(price).to_string();
            let rate = plan(&[("49", &price_text)], &[], rounding)
                .segment_rate("4915112345".parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap();
            let charge = i128::from(rate.charge(segments).unwrap().nanos());
            let exact = i128::from(price) * i128::from(segments);
            let unit = 10_i128.pow(9 - u32::from(decimals));
            prop_assert_eq!(charge % unit, 0);
            prop_assert!((charge - exact).abs() * 2 <= unit);
        }
    }
}
