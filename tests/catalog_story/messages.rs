//! Messages: tariffs of their own kind, and the plans that sell them.

use std::sync::Arc;

use tollgate::catalog::admin::tariffs::{self, Import, Imported};
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::catalog::admin::{
    AdminError,
    plans::{self, Basis, PlanSpec},
};
use tollgate::catalog::{Catalog, MessagePrices, TariffKind, deck::ColumnMap};
use tollgate::store::PlanVersion;

use crate::database::story;
use crate::world::{World, currency, number, plan};

const PHONE: &str = "4915112345678";

impl World {
    async fn import_sms(&self, name: &str, deck: &str, in_currency: &str) -> Result<Imported, AdminError> {
        let import = Import {
            name: name.to_owned(),
            kind: TariffKind::Sms,
            currency: Some(currency(in_currency)),
            columns: ColumnMap::default(),
            dry_run: false,
        };
        let input = std::io::Cursor::new(deck.to_owned());
        tariffs::import(&self.database.store, &self.clock, currency("EUR"), input, import).await
    }

    async fn sms(&self, name: &str, rows: &str) -> Imported {
        self.import_sms(name, &format!("prefix,price,valid_from\n{rows}"), "EUR").await.unwrap()
    }

    async fn set_sms(&self, plan: &str, tariff: Option<&str>) -> Result<PlanVersion, AdminError> {
        plans::set_sms_tariff(&self.database.store, plan, tariff, self.now()).await
    }

    /// wholesale and, each derived from the one before, retail (+20 %) and far (+12.5 %); wholesale sells messages.
    async fn three_plans(&self) -> Catalog {
        self.import("calls", "49,0.01\n").await;
        self.sms("messages", "49,0.0333,\n44,0.05,\n").await;
        let wholesale = PlanSpec {
            sms_tariff: Some("messages".to_owned()),
            ..PlanSpec::new("wholesale", Basis::Tariff("calls".to_owned()))
        };
        self.create_plan(&wholesale).await.unwrap();
        self.plan_over("retail", "wholesale", "20").await.unwrap();
        self.plan_over("far", "retail", "12.5").await.unwrap();
        self.catalog().await
    }

    fn segment(&self, catalog: &Catalog, plan: &str) -> String {
        let rate = messages(catalog, plan).priced.segment_rate(number(PHONE), self.now()).unwrap();
        rate.price().to_string()
    }
}

fn messages(catalog: &Catalog, name: &str) -> Arc<MessagePrices> {
    Arc::clone(plan(catalog, name).messages.as_ref().unwrap().as_ref().unwrap())
}

fn is_of_another_kind(result: Result<impl std::fmt::Debug, AdminError>, said: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, AdminError::OtherKind { .. }), "{error:?}");
    assert_eq!(error.to_string(), said);
}

story!(a_tariff_prices_calls_or_messages_for_ever, database => {
    let world = World::new(database);
    world.import("calls", "49,0.01\n").await;
    world.sms("messages", "49,0.05,\n").await;
    let store = &world.database.store;
    let kinds: Vec<_> =
        tariffs::list(store).await.unwrap().iter().map(|it| (it.name.clone(), TariffKind::of(it))).collect();
    assert_eq!(kinds, [("calls".to_owned(), TariffKind::Voice), ("messages".to_owned(), TariffKind::Sms)]);

    let not_calls = "tariff \"messages\" prices messages, not calls: a tariff's kind never changes";
    let not_messages = "tariff \"calls\" prices calls, not messages: a tariff's kind never changes";
    is_of_another_kind(world.import_in("messages", "49,0.01\n", "EUR").await, not_calls);
    is_of_another_kind(world.import_sms("calls", "prefix,price\n49,0.01\n", "EUR").await, not_messages);
    is_of_another_kind(
        world.create_plan(&PlanSpec::new("odd", Basis::Tariff("messages".to_owned()))).await,
        not_calls,
    );
    is_of_another_kind(world.trunk(&TrunkSpec::new("odd", "odd", "messages")).await, not_calls);
    world.plan_on("wholesale", "calls").await;
    is_of_another_kind(world.set_sms("wholesale", Some("calls")).await, not_messages);
    let spec = PlanSpec {
        sms_tariff: Some("calls".to_owned()),
        ..PlanSpec::new("odd", Basis::Tariff("calls".to_owned()))
    };
    is_of_another_kind(world.create_plan(&spec).await, not_messages);
    let unknown = world.set_sms("wholesale", Some("nothing")).await;
    assert!(matches!(unknown, Err(AdminError::Unknown { what: "tariff", .. })), "{unknown:?}");
    assert_eq!(world.count("SELECT COUNT(*) FROM tariff_versions").await, 2, "nothing was changed");
    assert_eq!(world.count("SELECT COUNT(*) FROM plan_versions").await, 1);

    let csv = tariffs::export(store, "messages").await.unwrap();
    assert_eq!(csv, "prefix,price,destination,valid_from,valid_until,blocked\n49,0.05,,,,\n");
    let (kind, same) =
        tariffs::diff_with(store, "messages", std::io::Cursor::new(csv), ColumnMap::default()).await.unwrap();
    assert!(kind == TariffKind::Sms && same.is_empty());
    assert!(plan(&world.catalog().await, "wholesale").messages.is_none());
});

story!(each_plan_adds_its_markup_to_what_the_plan_below_it_sells_messages_at, database => {
    let world = World::new(database);
    let catalog = world.three_plans().await;
    // 0.0333; + 20 % = 0.03996; + 12.5 % = 0.044955
    assert_eq!(world.segment(&catalog, "wholesale"), "0.0333");
    assert_eq!(world.segment(&catalog, "retail"), "0.03996");
    assert_eq!(world.segment(&catalog, "far"), "0.044955");
    assert_eq!(messages(&catalog, "far").cheapest(world.now()).unwrap().to_string(), "0.044955");
    assert_eq!(plan(&catalog, "far").plan_version_ids.len(), 3);

    // A price of a plan's own is one of a minute.
    let store = &world.database.store;
    let own = Some(crate::world::money("9"));
    plans::set_override(store, "retail", "49".parse().unwrap(), own, world.now()).await.unwrap();
    plans::set_markup(store, "retail", "100".parse().unwrap(), world.now()).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(world.price(&catalog, "retail", PHONE), "9");
    assert_eq!(world.segment(&catalog, "retail"), "0.0666");
    assert_eq!(world.segment(&catalog, "far"), "0.074925");
});

story!(the_plan_that_names_a_tariff_sells_at_its_prices_and_the_next_message_is_charged_by_a_change, database => {
    let world = World::new(database);
    let catalog = world.three_plans().await;
    world.sms("dear", "49,1,\n").await;
    world.set_sms("retail", Some("dear")).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(world.segment(&catalog, "wholesale"), "0.0333");
    assert_eq!(world.segment(&catalog, "retail"), "1");
    assert_eq!(world.segment(&catalog, "far"), "1.125");
    let before = world.count("SELECT COUNT(*) FROM plan_versions").await;
    world.set_sms("retail", Some("dear")).await.unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM plan_versions").await, before, "what is so already writes nothing");

    // A new version of the deck, and of nothing else.
    let known = plan(&catalog, "wholesale");
    world.sms("dear", "49,2,\n").await;
    catalog.refresh().await.unwrap();
    assert_eq!(world.segment(&catalog, "far"), "2.25");
    assert_eq!(messages(&catalog, "far").cheapest(world.now()).unwrap().to_string(), "2.25");
    assert!(Arc::ptr_eq(&known, &plan(&catalog, "wholesale")), "what does not sell it stays as it is");

    world.set_sms("retail", None).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(world.segment(&catalog, "far"), "0.044955");
    world.set_sms("wholesale", None).await.unwrap();
    catalog.refresh().await.unwrap();
    assert!(plan(&catalog, "far").messages.is_none());
});

story!(a_deck_of_messages_in_another_currency_is_converted_at_the_recorded_rate, database => {
    let world = World::new(database);
    let catalog = world.three_plans().await;
    world.import_sms("dollars", "prefix,price\n49,0.0333\n", "USD").await.unwrap();
    world.set_sms("wholesale", Some("dollars")).await.unwrap();
    catalog.refresh().await.unwrap();
    assert!(plan(&catalog, "wholesale").messages.as_ref().unwrap().is_err(), "no price rather than a wrong one");
    let complaints = catalog.snapshot().complaints();
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    assert!(complaints[0].starts_with("plan \"far\" sells no messages: tariff \"dollars\" is in USD"), "{complaints:?}");
    assert_eq!(world.price(&catalog, "wholesale", PHONE), "0.01", "calls are sold all the same");

    assert_eq!(world.fx("USD", "0.921512345678", world.now()).await.repriced, ["dollars"]);
    catalog.refresh().await.unwrap();
    // 0.0333 x 0.921512345678 = 0.0306863611…; + 20 %, rounded at each step
    assert_eq!(world.segment(&catalog, "wholesale"), "0.030686361");
    assert_eq!(world.segment(&catalog, "retail"), "0.036823633");
    assert!(catalog.snapshot().complaints().is_empty());
});

story!(the_cheapest_price_follows_the_dates_of_a_deck, database => {
    let world = World::new(database);
    let catalog = world.three_plans().await;
    world.sms("messages", "49,0.05,\n33,0.01,2026-11-22\n").await;
    catalog.refresh().await.unwrap();
    let retail = messages(&catalog, "retail");
    assert_eq!(retail.cheapest(world.now()).unwrap().to_string(), "0.06");
    world.clock.advance_ms(24 * 60 * 60 * 1_000);
    assert_eq!(retail.cheapest(world.now()).unwrap().to_string(), "0.012");
});
