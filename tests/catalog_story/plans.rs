//! Plans: markups, prices of their own, settings, and versions that calls keep.

use std::fmt::Write as _;
use std::sync::Arc;

use tollgate::catalog::admin::{
    AdminError,
    plans::{self, Basis, PlanSpec},
};
use tollgate::catalog::{Catalog, CatalogError};
use tollgate::store::Store;
use tollgate_rating::plan::{BlockRounding, RoundingMode};

use crate::database::story;
use crate::world::{World, money, number, plan};

const PHONE: &str = "4930123456";

story!(a_changed_markup_of_a_large_plan_rewrites_nothing_and_holds_for_the_next_call, database => {
    let world = World::new(database);
    let mut deck = String::new();
    for at in 0..60_000 {
        writeln!(deck, "{},0.01", 1_000_000 + at).unwrap();
    }
    world.import("sell", &deck).await;
    world.plan_on("wholesale", "sell").await;
    world.plan_over("retail", "wholesale", "20").await.unwrap();
    let catalog = world.catalog().await;
    assert_eq!(world.price(&catalog, "retail", "1000000123"), "0.012");
    let (chunks, overrides) = ("SELECT COUNT(*) FROM deck_chunks", "SELECT COUNT(*) FROM plan_overrides");
    let before = (world.count(chunks).await, world.count(overrides).await);
    let compiled = Arc::clone(plan(&catalog, "retail").priced.tariff());

    let store = &world.database.store;
    plans::set_markup(store, "retail", "25.5".parse().unwrap(), world.now()).await.unwrap();
    catalog.refresh().await.unwrap();

    assert_eq!(world.price(&catalog, "retail", "1000000123"), "0.01255");
    assert_eq!((world.count(chunks).await, world.count(overrides).await), before);
    assert!(Arc::ptr_eq(&compiled, plan(&catalog, "retail").priced.tariff()), "nothing was compiled again");
});

story!(a_call_keeps_the_versions_it_was_granted_under, database => {
    let world = World::new(database);
    let store = &world.database.store;
    world.import("sell", "49,0.01\n").await;
    world.plan_on("wholesale", "sell").await;
    world.plan_over("retail", "wholesale", "20").await.unwrap();
    let catalog = world.catalog().await;
    let granted = plan(&catalog, "retail");
    assert_eq!(granted.plan_version_ids.len(), 2);

    world.import("sell", "49,0.05\n").await;
    plans::set_markup(store, "retail", "100".parse().unwrap(), world.now()).await.unwrap();
    plans::set_override(store, "wholesale", "49".parse().unwrap(), Some(money("0.5")), world.now()).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(world.price(&catalog, "retail", PHONE), "1");

    for catalog in [catalog, world.catalog().await] {
        let (plans, tariff) = (&granted.plan_version_ids, granted.tariff_version_id);
        let rate = catalog.rate_at_versions(plans, tariff, number(PHONE), world.now()).await.unwrap();
        assert_eq!(rate.price_per_minute(world.now()), money("0.012"));
        let strangers = catalog.rate_at_versions(&[plans[1], plans[0]], tariff, number(PHONE), world.now()).await;
        assert!(matches!(strangers, Err(CatalogError::NotAChain { .. })));
        let unknown = catalog.rate_at_versions(&[999_999], tariff, number(PHONE), world.now()).await;
        assert!(matches!(unknown, Err(CatalogError::NoSuchVersion { what: "plan", .. })));
    }
});

story!(a_price_of_a_plans_own_comes_and_goes, database => {
    let world = World::new(database);
    let store = &world.database.store;
    world.import("sell", "49,0.01\n").await;
    world.plan_on("wholesale", "sell").await;
    world.plan_over("retail", "wholesale", "20").await.unwrap();
    let catalog = world.catalog().await;
    let set = async |plan: &str, price: Option<&str>| {
        let done = plans::set_override(store, plan, "4930".parse().unwrap(), price.map(money), world.now()).await;
        catalog.refresh().await.unwrap();
        done.map(|plan| (plan.number, world.price(&catalog, "retail", PHONE)))
    };
    assert_eq!(set("wholesale", Some("0.02")).await.unwrap(), (2, "0.024".to_owned()));
    assert_eq!(set("retail", Some("0.03")).await.unwrap(), (2, "0.03".to_owned()));
    assert_eq!(set("retail", Some("0.04")).await.unwrap(), (3, "0.04".to_owned()));
    assert_eq!(set("retail", None).await.unwrap(), (4, "0.024".to_owned()));
    assert!(matches!(set("retail", None).await, Err(AdminError::Unknown { .. })));
    assert_eq!(set("wholesale", None).await.unwrap(), (3, "0.012".to_owned()));
});

story!(four_levels_of_markup_and_no_more, database => {
    let world = World::new(database);
    world.import("sell", "49,0.01\n").await;
    world.plan_on("level0", "sell").await;
    for level in 1..=4 {
        world.plan_over(&format!("level{level}"), &format!("level{}", level - 1), "10").await.unwrap();
    }
    let fifth = world.plan_over("level5", "level4", "10").await;
    assert!(matches!(fifth, Err(AdminError::TooDeep { .. })));
    let catalog = world.catalog().await;
    assert_eq!(world.price(&catalog, "level4", PHONE), "0.014641");
    assert_eq!(plan(&catalog, "level4").plan_version_ids.len(), 5);
});

story!(a_derived_plan_inherits_what_it_is_not_given, database => {
    let world = World::new(database);
    world.import("sell", "49,0.01\n").await;
    let base = PlanSpec {
        rounding: Some(RoundingMode::Up),
        decimals: Some(2),
        block_rounding: Some(BlockRounding::Whole),
        zone: Some("Europe/Berlin".to_owned()),
        max_call_seconds: Some(3_600),
        signup: true,
        ..PlanSpec::new("wholesale", Basis::Tariff("sell".to_owned()))
    };
    world.create_plan(&base).await.unwrap();
    let basis = Basis::Plan { name: "wholesale".to_owned(), markup: "0".parse().unwrap() };
    let own = PlanSpec { decimals: Some(4), ..PlanSpec::new("retail", basis) };
    world.create_plan(&own).await.unwrap();
    let catalog = world.catalog().await;
    let retail = plan(&catalog, "retail");
    let terms = retail.priced.terms();
    assert_eq!((terms.rounding.mode(), terms.rounding.decimals()), (RoundingMode::Up, 4));
    assert_eq!(terms.block_rounding, BlockRounding::Whole);
    assert_eq!(terms.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!((retail.max_call_seconds, retail.signup), (Some(3_600), false));
    // 23:30 in UTC is the next day in Berlin.
    let late = "2026-11-21T23:30:00Z".parse().unwrap();
    assert_eq!(retail.spending_day(late).start_s(), retail.spending_day(noon_plus_a_day()).start_s());
});

fn noon_plus_a_day() -> jiff::Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

story!(what_cannot_be_a_plan_is_refused, database => {
    let world = World::new(database);
    world.import("sell", "49,0.01\n").await;
    world.plan_on("wholesale", "sell").await;
    let refused = async |change: &dyn Fn(&mut PlanSpec)| {
        let mut spec = PlanSpec::new("other", Basis::Tariff("sell".to_owned()));
        change(&mut spec);
        world.create_plan(&spec).await.unwrap_err().code()
    };
    assert_eq!(refused(&|spec| "wholesale".clone_into(&mut spec.name)).await, "exists");
    assert_eq!(refused(&|spec| spec.name.clear()).await, "invalid");
    assert_eq!(refused(&|spec| " x".clone_into(&mut spec.name)).await, "invalid");
    assert_eq!(refused(&|spec| spec.basis = Basis::Tariff("none".to_owned())).await, "not_found");
    assert_eq!(refused(&|spec| spec.decimals = Some(10)).await, "invalid");
    assert_eq!(refused(&|spec| spec.zone = Some("Mars/Olympus".to_owned())).await, "invalid");
    assert_eq!(refused(&|spec| spec.initial_credit = money("-1")).await, "invalid");
    assert!(world.plan_over("x", "nowhere", "20").await.is_err());
    let store: &Store = &world.database.store;
    let root = plans::set_markup(store, "wholesale", "5".parse().unwrap(), world.now()).await;
    assert_eq!(root.unwrap_err().code(), "invalid", "a plan on a tariff sells it as it stands");
});

story!(a_second_process_sees_the_same_prices, database => {
    let world = World::new(database);
    world.import("sell", "49,0.01\n").await;
    world.plan_on("wholesale", "sell").await;
    let other = Store::open(&world.database.url).await.unwrap();
    let catalog = Catalog::load(other, "EUR", world.now()).await.unwrap();
    let before = catalog.snapshot().plan_named("wholesale").unwrap().tariff_version_id;
    assert_eq!(world.price(&catalog, "wholesale", PHONE), "0.01");
    world.import("sell", "49,0.02\n").await;
    assert_eq!(world.price(&catalog, "wholesale", PHONE), "0.01", "until the feed is read");
    catalog.refresh().await.unwrap();
    assert_eq!(world.price(&catalog, "wholesale", PHONE), "0.02");
    assert_ne!(catalog.snapshot().plan_named("wholesale").unwrap().tariff_version_id, before);
});
