//! What a search of a price list costs beside looking at its deck.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tollgate_rating::{Money, PlanTerms, Prefix, PricedTariff, RateRow, Tariff};

#[test]
fn a_search_of_a_large_deck_costs_a_fraction_of_looking_at_it() {
    let price: Money = "0.01".parse().unwrap();
    let rows = (0..50_000_u64).map(|number| RateRow {
        destination: format!("Country {}, area {}", number / 5_000, number / 100).into(),
        ..RateRow::new(number, Prefix::new(10_000_000 + number * 37, 8).unwrap(), price)
    });
    let tariff = Arc::new(Tariff::compile(rows).unwrap());
    let plan = PricedTariff::new(tariff, Vec::new(), Arc::new(PlanTerms::default()));
    let at = Timestamp::UNIX_EPOCH;
    let fastest = |work: &dyn Fn()| {
        let times = (0..5).map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        });
        times.min().unwrap()
    };
    let looking = fastest(&|| drop(plan.tariff().sold(at, &plan.terms().zone)));
    let list = plan.price_list(Arc::new(plan.tariff().sold(at, &plan.terms().zone)), at);
    for (wanted, least, total) in
        [("", 20, 50_000), ("10", 3, 27_228), ("area 77", 4, 100), ("nowhere", 4, 0), ("country 3", 2, 5_000)]
    {
        let page = list.search(wanted, 30, 100);
        assert_eq!(page.total, total, "{wanted}");
        let search = fastest(&|| drop(list.search(wanted, 30, 100)));
        assert!(search * least < looking, "{wanted:?} took {search:?}, the deck {looking:?}");
    }
    // 12 bytes a prefix, and the names.
    assert!(list.sold().heap_bytes() < 50_000 * 14, "{}", list.sold().heap_bytes());
}
