//! What a plan sells, prefix by prefix, for price lists. Nothing is priced here: a list is searched and cut to a page
//! before [`PricedTariff::rate_of_prefix`] prices what is left.

use super::PricedTariff;
use crate::prefix::Prefix;
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc};

impl PricedTariff {
    /// The prefixes that calls have a price by at this instant, in order, with what the deck calls them: the deck's,
    /// and those of overrides within them. What is blocked at all times is not sold.
    pub fn listed(&self, at: Timestamp) -> impl Iterator<Item = (Prefix, &Arc<str>)> {
        let tariff = self.tariff();
        let overridden: BTreeSet<Prefix> =
            self.levels().iter().flat_map(|level| level.overrides()).map(|(prefix, _)| prefix).collect();
        let index = tariff.index();
        let further = overridden.iter().copied().filter(|prefix| index.position(*prefix).is_none());
        let mut prefixes: Vec<Prefix> = index.iter().chain(further).collect();
        // Of two sorted runs, which costs next to nothing.
        prefixes.sort();
        prefixes.into_iter().filter_map(move |prefix| {
            let found = tariff.find_prefix(prefix, at, &self.terms().zone)?;
            let is_listed = !found.is_blocked() && (found.prefix() == prefix || overridden.contains(&prefix));
            is_listed.then(|| (prefix, found.destination()))
        })
    }

    /// How many prefixes it has a price for, at some time: the deck's, and those of overrides within them.
    pub fn rate_count(&self) -> usize {
        let index = self.tariff().index();
        let further = |prefix: &Prefix| {
            index.position(*prefix).is_none()
                && index.lookup_digits(prefix.value(), prefix.digits()).is_some()
        };
        let overridden: BTreeSet<Prefix> =
            self.levels().iter().flat_map(|level| level.overrides()).map(|(prefix, _)| prefix).collect();
        index.len() + overridden.iter().filter(|prefix| further(prefix)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Money, PlanTerms, RateRow, Tariff,
        plan::{Derivation, Markup},
    };

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
        let list: Vec<(String, String, String)> = plan
            .listed(at)
            .map(|(prefix, destination)| {
                let rate = plan.rate_of_prefix(prefix, at).unwrap();
                assert_eq!(rate.prefix(), prefix);
                (prefix.to_string(), destination.to_string(), rate.price_per_minute(at).to_string())
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
}
