//! Price lists: what a plan charges by prefix, searched and cut to a page.
//!
//! A deck has tens of thousands of prefixes and a page a hundred: only the page is priced, by what prices calls.

use std::collections::HashMap;

use jiff::Timestamp;
use tollgate_rating::{Money, Prefix, PricedTariff};

/// A page of the prefixes that a plan sells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixPage {
    /// In order.
    pub prefixes: Vec<Prefix>,
    /// How many there are that match, on all pages.
    pub total: usize,
}

/// What a plan charges for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The prefix.
    pub prefix: Prefix,
    /// What the deck calls it.
    pub destination: String,
    /// Of a minute, from the begin of a call.
    pub price_per_minute: Money,
    /// Charged once.
    pub connect_fee: Money,
    /// The first block in seconds; 0 for none.
    pub initial_block: u32,
    /// The further blocks.
    pub increment: u32,
}

/// The prefixes that a plan sells at this instant and that match what is looked for: the beginning of the prefix, with or
/// without `+`, or a part of the destination's name in any case. Nothing looked for matches all.
///
/// It looks at every prefix of the deck: work for a thread that may block.
pub fn find(priced: &PricedTariff, wanted: &str, offset: usize, limit: usize, at: Timestamp) -> PrefixPage {
    let wanted = wanted.trim().to_lowercase();
    let beginning = wanted.strip_prefix('+').unwrap_or(&wanted).parse::<Prefix>().ok();
    // Thousands of prefixes share a name.
    let mut named: HashMap<&str, bool> = HashMap::new();
    let mut page = PrefixPage::default();
    for (prefix, destination) in priced.listed(at) {
        let matches = wanted.is_empty()
            || beginning.is_some_and(|beginning| beginning.covers(prefix))
            || *named
                .entry(destination)
                .or_insert_with(|| destination.to_lowercase().contains(wanted.as_str()));
        if matches {
            if page.total >= offset && page.prefixes.len() < limit {
                page.prefixes.push(prefix);
            }
            page.total += 1;
        }
    }
    page
}

/// What a plan charges at this instant for numbers that begin with a prefix and with no longer one; none where it sells
/// nothing there.
pub fn sold(priced: &PricedTariff, prefix: Prefix, at: Timestamp) -> Option<Sold> {
    let rate = priced.rate_of_prefix(prefix, at).ok()?;
    let terms = rate.terms(at);
    let step = terms.steps.first()?;
    Some(Sold {
        prefix,
        destination: rate.destination().to_owned(),
        price_per_minute: step.price_per_minute,
        connect_fee: terms.connect_fee,
        initial_block: terms.initial_block,
        increment: step.increment,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_rating::{PlanTerms, RateRow, Tariff};

    use super::*;

    fn plan() -> PricedTariff {
        let row = |line, prefix: &str, destination: &str| RateRow {
            destination: destination.into(),
            ..RateRow::new(line, prefix.parse().unwrap(), Money::from_nanos(1))
        };
        let rows = [
            row(2, "49", "Germany"),
            row(3, "4930", "Germany, Berlin"),
            row(4, "43", "Österreich"),
            row(5, "3349", "France, 49 and more"),
        ];
        PricedTariff::new(
            Arc::new(Tariff::compile(rows).unwrap()),
            Vec::new(),
            Arc::new(PlanTerms::default()),
        )
    }

    #[test]
    fn a_list_is_searched_by_the_prefixs_beginning_and_by_any_part_of_the_name() {
        let found = |wanted: &str, offset, limit| {
            let page = find(&plan(), wanted, offset, limit, Timestamp::UNIX_EPOCH);
            (page.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), page.total)
        };
        let row = |prefixes: &str, total| (prefixes.to_owned(), total);
        assert_eq!(found("", 0, 10), row("3349 43 49 4930", 4));
        assert_eq!(found("", 1, 2), row("43 49", 4));
        assert_eq!(found("", 9, 2), row("", 4));
        assert_eq!(found("49", 0, 10), row("3349 49 4930", 3));
        assert_eq!(found("+49", 0, 10), row("49 4930", 2));
        assert_eq!(found(" BERLIN ", 0, 10), row("4930", 1));
        assert_eq!(found("öster", 0, 10), row("43", 1));
        assert_eq!(found("nowhere", 0, 10), row("", 0));
    }
}
