//! The prefixes that a plan sells, for price lists: searched and cut to a page. Nothing is priced here:
//! [`PricedTariff::rate_of_prefix`] prices the page.

use super::priced::PricedTariff;
use crate::{
    prefix::Prefix,
    tariff::{Destination, SoldPrefixes},
};
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc};

/// A page of the prefixes that a plan sells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixPage {
    /// In order.
    pub prefixes: Vec<Prefix>,
    /// How many there are that match, on all pages.
    pub total: usize,
}

/// The prefixes that calls have a price by: the deck's, and those of a plan's own prices within them. What is blocked
/// at all times is not sold.
#[derive(Debug)]
pub struct PriceList {
    sold: Arc<SoldPrefixes>,
    /// Prefixes of the plan's own prices that are not among the deck's, in order, each with its destination.
    further: Box<[(Prefix, Destination)]>,
}

impl PriceList {
    /// Reports whether it is right at an instant.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.sold.holds(at)
    }

    /// The prefixes that the deck sells, to be shared by lists of other plans on the same deck.
    pub const fn sold(&self) -> &Arc<SoldPrefixes> {
        &self.sold
    }

    /// The prefixes that match what is looked for, in order: the beginning of the prefix, with or without `+`, or a
    /// part of the destination's name in any case. Nothing looked for matches all.
    ///
    /// It looks at the names and at the prefixes that match, and not at the deck.
    pub fn search(&self, wanted: &str, offset: usize, limit: usize) -> PrefixPage {
        let wanted = wanted.trim().to_lowercase();
        let (places, further): (_, Vec<Prefix>) = if wanted.is_empty() {
            (self.sold.all(), self.further.iter().map(|(prefix, _)| *prefix).collect())
        } else {
            let beginning = wanted.strip_prefix('+').unwrap_or(&wanted).parse::<Prefix>().ok();
            let named = self.sold.named(&wanted);
            let matches = |(prefix, destination): &(Prefix, Destination)| {
                beginning.is_some_and(|beginning| beginning.covers(*prefix))
                    || named.binary_search(destination).is_ok()
            };
            let further = self.further.iter().filter(|row| matches(row)).map(|(prefix, _)| *prefix);
            (self.sold.places(beginning, &named), further.collect())
        };
        let total = places.count() + further.len();
        let decks = self.sold.prefixes();
        // How many match before one of the plan's own.
        let rank = |at: usize, own: Prefix| at + places.before(decks.partition_point(|prefix| *prefix < own));
        let mut skipped = 0;
        let mut left = further.len();
        while left > 0 {
            let half = left / 2;
            let at = skipped + half;
            if further.get(at).is_some_and(|own| rank(at, *own) < offset) {
                skipped = at + 1;
                left -= half + 1;
            } else {
                left = half;
            }
        }
        let mut own = further[skipped..].iter().copied().peekable();
        let mut deck =
            places.after(offset - skipped.min(offset)).filter_map(|place| decks.get(place)).peekable();
        let mut prefixes = Vec::with_capacity(limit.min(total.saturating_sub(offset)));
        while prefixes.len() < limit {
            let next = match (own.peek(), deck.peek()) {
                (Some(one), Some(other)) if one < *other => own.next(),
                (Some(_), None) => own.next(),
                _ => deck.next().copied(),
            };
            let Some(next) = next else { break };
            prefixes.push(next);
        }
        PrefixPage { prefixes, total }
    }
}

impl PricedTariff {
    /// The list of what the plan sells at this instant, with what its deck sells then ([`Tariff::sold`] in the plan's
    /// time zone).
    ///
    /// It looks at every price of the plan's own: make it when a plan is published, not when one is searched.
    ///
    /// [`Tariff::sold`]: crate::Tariff::sold
    pub fn price_list(&self, sold: Arc<SoldPrefixes>, at: Timestamp) -> PriceList {
        let zone = &self.terms().zone;
        let further = self.overridden().into_iter().filter(|prefix| !sold.contains(*prefix));
        let further = further.filter_map(|prefix| {
            let found = self.tariff().find_prefix(prefix, at, zone)?;
            (!found.is_blocked()).then(|| (prefix, found.destination_number()))
        });
        let further = further.collect();
        PriceList { sold, further }
    }

    /// The prefixes that the plan, or one below it, has a price of its own for.
    fn overridden(&self) -> BTreeSet<Prefix> {
        self.levels().iter().flat_map(|level| level.overrides()).map(|(prefix, _)| prefix).collect()
    }

    /// How many prefixes it has a price for, at some time: the deck's, and those of overrides within them.
    pub fn rate_count(&self) -> usize {
        let index = self.tariff().index();
        let further = |prefix: &Prefix| {
            index.position(*prefix).is_none()
                && index.lookup_digits(prefix.value(), prefix.digits()).is_some()
        };
        index.len() + self.overridden().iter().filter(|prefix| further(prefix)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Money, PlanTerms, RateRow, Tariff,
        plan::{Derivation, Markup},
    };
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn plan(markup: &str, overrides: &[(&str, &str)]) -> PricedTariff {
        let row = |line, digits, price| RateRow {
            destination: digits_name(digits).into(),
            ..RateRow::new(line, prefix(digits), money(price))
        };
        let blocked = RateRow { blocked: true, ..row(5, "882", "9") };
        let over = RateRow { valid_until: "2020-01-01".parse().ok(), ..row(6, "4940", "1") };
        let rows = [row(2, "49", "0.01"), row(3, "4930", "0.05173"), row(4, "33", "0.07"), blocked, over];
        let tariff = Arc::new(Tariff::compile(rows).unwrap());
        let overrides = overrides.iter().map(|(digits, price)| (prefix(digits), money(price)));
        let level = Derivation::new(markup.parse::<Markup>().unwrap(), overrides).unwrap();
        PricedTariff::new(tariff, vec![Arc::new(level)], Arc::new(PlanTerms::default()))
    }

    fn digits_name(digits: &str) -> &'static str {
        match digits {
            "49" => "Germany",
            "4930" => "Berlin",
            "4940" => "Hamburg",
            "33" => "France",
            _ => "Satellite",
        }
    }

    #[test]
    fn a_list_says_what_a_call_to_each_prefix_costs_and_leaves_out_what_is_not_sold() {
        // 4915 is within the deck, 44 is not; 4 is shorter than what it would change.
        let plan = plan("20", &[("4915", "0.5"), ("44", "1"), ("4", "2"), ("4930", "0.09")]);
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let sold = Arc::new(plan.tariff().sold(at, &plan.terms().zone));
        let page = plan.price_list(sold, at).search("", 0, 10);
        assert_eq!(page.total, 4);
        let list: Vec<(String, String, String)> = page
            .prefixes
            .into_iter()
            .map(|prefix| {
                let rate = plan.rate_of_prefix(prefix, at).unwrap();
                assert_eq!(rate.prefix(), prefix);
                (prefix.to_string(), rate.destination().to_string(), rate.price_per_minute(at).to_string())
            })
            .collect();
        let row =
            |digits: &str, name: &str, price: &str| (digits.to_owned(), name.to_owned(), price.to_owned());
        let expected = [
            row("33", "France", "0.084"),
            row("49", "Germany", "0.012"),
            row("4915", "Germany", "0.5"),
            row("4930", "Berlin", "0.09"),
        ];
        assert_eq!(list, expected);
        for (digits, _, price) in expected {
            let number = format!("{digits}77").parse().unwrap();
            assert_eq!(plan.rate(number, at).unwrap().price_per_minute(at).to_string(), price);
        }
        assert_eq!(plan.rate_count(), 6, "five of the deck and 4915");
    }

    #[test]
    fn a_list_is_searched_by_the_prefixs_beginning_and_by_any_part_of_the_name() {
        let row = |line, digits: &str, destination: &str| RateRow {
            destination: destination.into(),
            ..RateRow::new(line, prefix(digits), money("0.01"))
        };
        let rows = [
            row(2, "49", "Germany"),
            row(3, "4930", "Germany, Berlin"),
            row(4, "43", "Österreich"),
            row(5, "3349", "France, 49 and more"),
        ];
        let tariff = Arc::new(Tariff::compile(rows).unwrap());
        let plan = PricedTariff::new(tariff, Vec::new(), Arc::new(PlanTerms::default()));
        let at = Timestamp::UNIX_EPOCH;
        let list = plan.price_list(Arc::new(plan.tariff().sold(at, &plan.terms().zone)), at);
        let found = |wanted: &str, offset, limit| {
            let page = list.search(wanted, offset, limit);
            (page.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), page.total)
        };
        let page = |prefixes: &str, total| (prefixes.to_owned(), total);
        assert_eq!(found("", 0, 10), page("3349 43 49 4930", 4));
        assert_eq!(found("", 1, 2), page("43 49", 4));
        assert_eq!(found("", 9, 2), page("", 4));
        assert_eq!(found("", usize::MAX, usize::MAX), page("", 4));
        assert_eq!(found("49", 0, 10), page("3349 49 4930", 3));
        assert_eq!(found("49", 2, 10), page("4930", 3));
        assert_eq!(found("+49", 0, 10), page("49 4930", 2));
        assert_eq!(found(" BERLIN ", 0, 10), page("4930", 1));
        assert_eq!(found("öster", 0, 10), page("43", 1));
        assert_eq!(found("nowhere", 0, 10), page("", 0));
    }

    /// The result of a search by trying every prefix of the deck and of the plan's own prices.
    fn read_slowly(
        plan: &PricedTariff,
        wanted: &str,
        offset: usize,
        limit: usize,
        at: Timestamp,
    ) -> PrefixPage {
        let wanted = wanted.trim().to_lowercase();
        let beginning = wanted.strip_prefix('+').unwrap_or(&wanted).parse::<Prefix>().ok();
        let own: BTreeSet<Prefix> =
            plan.levels().iter().flat_map(|level| level.overrides()).map(|(prefix, _)| prefix).collect();
        let all: BTreeSet<Prefix> = plan.tariff().index().iter().chain(own.iter().copied()).collect();
        let matching = all.into_iter().filter(|prefix| {
            let Some(found) = plan.tariff().find_prefix(*prefix, at, &plan.terms().zone) else {
                return false;
            };
            let sold = !found.is_blocked() && (found.prefix() == *prefix || own.contains(prefix));
            sold && (wanted.is_empty()
                || beginning.is_some_and(|beginning| beginning.covers(*prefix))
                || found.destination().to_lowercase().contains(wanted.as_str()))
        });
        let matching: Vec<Prefix> = matching.collect();
        let total = matching.len();
        PrefixPage { prefixes: matching.into_iter().skip(offset).take(limit).collect(), total }
    }

    prop_compose! {
        /// A row of a deck, from few digits and names so that much of it meets; some hold for a while, some are blocked.
        fn any_row()(
            digits in "[14]{1,4}", name in "[abÖ4]{0,3}", blocked in prop::bool::weighted(0.2), validity in 0..5_u8,
        ) -> RateRow {
            let day = |text: &str| text.parse().ok();
            let (valid_from, valid_until) = match validity {
                0 => (None, day("2026-06-01")),
                1 => (day("2026-06-01"), None),
                2 => (day("2026-03-01"), day("2026-09-01")),
                _ => (None, None),
            };
            RateRow { destination: name.into(), blocked, valid_from, valid_until, ..RateRow::new(0, prefix(&digits), money("0.01")) }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn a_search_finds_what_looking_at_every_prefix_finds(
            rows in prop::collection::vec(any_row(), 0..40),
            own in prop::collection::btree_set("[14]{1,5}", 0..12),
            above in prop::collection::btree_set("[14]{1,5}", 0..4),
            wanted in "[ +]{0,1}[1abÖö4]{0,3}", (offset, limit) in (0..30_usize, 0..12_usize),
            day in prop::sample::select(vec!["2026-01-01T00:00:00Z", "2026-05-31T22:00:00Z", "2026-06-01T00:00:00Z", "2026-12-01T00:00:00Z"]),
        ) {
            let mut seen = BTreeSet::new();
            let rows = rows.into_iter().filter(|row| seen.insert((row.prefix, row.valid_from, row.valid_until)));
            let tariff = Arc::new(Tariff::compile(rows).unwrap());
            let level = |own: BTreeSet<String>| {
                let prices = own.iter().map(|digits| (prefix(digits), money("1")));
                Arc::new(Derivation::new(Markup::NONE, prices).unwrap())
            };
            let terms = PlanTerms { zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(), ..PlanTerms::default() };
            let plan = PricedTariff::new(tariff, vec![level(own), level(above)], Arc::new(terms));
            let at: Timestamp = day.parse().unwrap();
            let list = plan.price_list(Arc::new(plan.tariff().sold(at, &plan.terms().zone)), at);
            prop_assert!(list.holds(at));
            prop_assert_eq!(list.search(&wanted, offset, limit), read_slowly(&plan, &wanted, offset, limit, at));
        }
    }

    #[test]
    fn a_list_holds_until_a_rate_begins_or_ends_and_no_longer() {
        let row = |until: &str| RateRow {
            valid_until: until.parse().ok(),
            ..RateRow::new(2, prefix("49"), money("1"))
        };
        let rows = [row("2026-06-01"), RateRow { prefix: prefix("33"), line: 3, ..row("2026-09-01") }];
        let tariff = Tariff::compile(rows).unwrap();
        let sold = tariff.sold("2026-07-01T00:00:00Z".parse().unwrap(), &jiff::tz::TimeZone::UTC);
        for (at, holds) in [
            ("2026-05-31T23:59:59Z", false),
            ("2026-06-01T00:00:00Z", true),
            ("2026-08-31T23:59:59Z", true),
            ("2026-09-01T00:00:00Z", false),
        ] {
            assert_eq!(sold.holds(at.parse().unwrap()), holds, "{at}");
        }
        // Where nothing begins or ends, it always holds.
        let tariff = Tariff::compile([RateRow::new(2, prefix("49"), money("1"))]).unwrap();
        let sold = tariff.sold(Timestamp::UNIX_EPOCH, &jiff::tz::TimeZone::UTC);
        assert!([Timestamp::MIN, Timestamp::MAX].into_iter().all(|at| sold.holds(at)));
    }
}
