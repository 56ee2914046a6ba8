use super::*;
use crate::catalog::trunks::LiveCalls;
use tollgate_rating::{PlanTerms, PricedTariff, RateRow, Tariff};

fn at() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn number() -> E164 {
    "4930123456".parse().unwrap()
}

fn priced(rows: &[(&str, &str)]) -> PricedTariff {
    let rows = rows
        .iter()
        .map(|(prefix, price)| RateRow::new(1, prefix.parse().unwrap(), Money::parse(price).unwrap()));
    PricedTariff::new(Arc::new(Tariff::compile(rows).unwrap()), Vec::new(), Arc::new(PlanTerms::default()))
}

fn trunk(id: i64, name: &str, rows: &[(&str, &str)]) -> Trunk {
    let buy = priced(rows);
    Trunk {
        id,
        name: name.to_owned(),
        endpoint: name.to_owned(),
        host: None,
        priority: 100,
        weight: 1,
        strip: String::new(),
        prepend: String::new(),
        max_calls: None,
        active: true,
        tariff_version_id: 1,
        currency: "EUR".to_owned(),
        fx_rate: None,
        buy_terms: Ok(Arc::clone(buy.terms())),
        buy: Ok(buy),
        live: Arc::new(LiveCalls::default()),
    }
}

fn snapshot(trunks: impl IntoIterator<Item = Trunk>) -> Snapshot {
    Snapshot { trunks: trunks.into_iter().map(Arc::new).collect(), ..Snapshot::default() }
}

fn names(snapshot: &Snapshot, chance: u64) -> Vec<String> {
    let found = routes(snapshot, number(), at(), 10, chance, |_, _| true);
    found.iter().map(|route| route.trunk.name.clone()).collect()
}

#[test]
fn each_trunk_is_priced_by_its_own_longest_prefix() {
    let carriers = snapshot([
        trunk(1, "broad", &[("49", "0.02")]),
        trunk(2, "fine", &[("4", "0.01"), ("4930", "0.03")]),
    ]);
    assert_eq!(names(&carriers, 0), ["broad", "fine"]);
}

#[test]
fn a_connect_fee_counts_for_the_minute_that_is_compared() {
    let mut fee = RateRow::new(1, "49".parse().unwrap(), Money::parse("0.01").unwrap());
    fee.connect_fee = Money::parse("0.05").unwrap();
    let buy = PricedTariff::new(Arc::new(Tariff::compile([fee]).unwrap()), Vec::new(), Arc::default());
    let carriers = snapshot([
        Trunk { buy: Ok(buy), ..trunk(1, "fee", &[("1", "1")]) },
        trunk(2, "plain", &[("49", "0.02")]),
    ]);
    assert_eq!(names(&carriers, 0), ["plain", "fee"]);
}

#[test]
fn ties_go_by_priority_and_then_by_weight() {
    let equal =
        |id, name: &str, priority, weight| Trunk { priority, weight, ..trunk(id, name, &[("49", "0.01")]) };
    let carriers = snapshot([equal(1, "late", 20, 1), equal(2, "light", 10, 1), equal(3, "heavy", 10, 9)]);
    let mut heavy_first = 0;
    for chance in 0..10_000 {
        let order = names(&carriers, chance);
        assert_eq!(order[2], "late");
        heavy_first += u32::from(order[0] == "heavy");
    }
    assert!((8_800..=9_200).contains(&heavy_first), "9 of 10, not {heavy_first} of 10000");
}

#[test]
fn who_cannot_or_may_not_carry_the_call_is_left_out_and_said_why() {
    let full = Trunk { max_calls: Some(1), ..trunk(1, "full", &[("49", "0.01")]) };
    let _on_it = full.try_occupy().unwrap();
    let mut barred = RateRow::new(1, "4930".parse().unwrap(), Money::ZERO);
    barred.blocked = true;
    let barred = PricedTariff::new(Arc::new(Tariff::compile([barred]).unwrap()), Vec::new(), Arc::default());
    let missing = Unusable::Damaged { what: "tariff".into(), reason: "gone".into() };
    let carriers = snapshot([
        full,
        Trunk { active: false, ..trunk(2, "off", &[("49", "0.01")]) },
        Trunk { buy: Ok(barred), ..trunk(3, "barred", &[("1", "1")]) },
        Trunk { buy: Err(missing.clone()), ..trunk(4, "broken", &[("1", "1")]) },
        trunk(5, "elsewhere", &[("44", "0.01")]),
        trunk(6, "dear", &[("49", "9")]),
        trunk(7, "good", &[("49", "0.01")]),
    ]);
    let cheap = |_: &Trunk, rate: &CallRate| rate.price_per_minute(at()) < Money::parse("1").unwrap();
    let (used, left_out) = explain(&carriers, number(), at(), cheap);
    assert_eq!(used.iter().map(|route| route.trunk.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let reasons: Vec<LeftOut> = left_out.into_iter().map(|(_, why)| why).collect();
    assert_eq!(
        reasons,
        [
            LeftOut::Full,
            LeftOut::Inactive,
            LeftOut::Blocked,
            LeftOut::Unusable(missing),
            LeftOut::NoRate,
            LeftOut::Dearer
        ]
    );
}

#[test]
fn no_more_routes_than_asked_for() {
    let carriers = snapshot((1..=5).map(|id| trunk(id, &format!("t{id}"), &[("49", "0.01")])));
    assert_eq!(routes(&carriers, number(), at(), 3, 1, |_, _| true).len(), 3);
}

#[test]
fn a_call_is_not_bought_dearer_than_it_is_sold_unless_losses_are_allowed() {
    let sold = priced(&[("49", "0.02")]).rate(number(), at()).unwrap();
    let carriers = snapshot([trunk(1, "dear", &[("49", "0.0201")]), trunk(2, "even", &[("49", "0.02")])]);
    let request = RouteRequest {
        number: number(),
        at: at(),
        sold: &sold,
        answered: AnswerRange::at(at()),
        funded_seconds: 600,
        allow_loss: false,
        max_routes: 3,
        chance: 0,
    };
    let found = |request: &RouteRequest<'_>| {
        carriers.routes(request).iter().map(|route| route.trunk.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(&request), ["even"]);
    assert_eq!(found(&RouteRequest { allow_loss: true, ..request }), ["even", "dear"]);
}

#[test]
fn a_number_is_stripped_and_prepended_for_the_carrier() {
    let plain = trunk(1, "carrier", &[("49", "1")]);
    assert_eq!(plain.dial_string(number()), "PJSIP/4930123456@carrier");
    let hosted = Trunk { host: Some("sip.example.net:5060".to_owned()), ..plain.clone() };
    assert_eq!(hosted.dial_string(number()), "PJSIP/carrier/sip:4930123456@sip.example.net:5060");
    let national = Trunk { strip: "49".to_owned(), prepend: "0".to_owned(), ..hosted };
    assert_eq!(national.dial_string(number()), "PJSIP/carrier/sip:030123456@sip.example.net:5060");
    assert_eq!(
        national.dial_string("442071234567".parse().unwrap()),
        "PJSIP/carrier/sip:0442071234567@sip.example.net:5060"
    );
    let greedy = Trunk { strip: "4930123456".to_owned(), ..plain };
    assert_eq!(greedy.dial_string(number()), "PJSIP/4930123456@carrier", "something is always dialled");
}
