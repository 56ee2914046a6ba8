//! A call is charged at the prices it was granted under.

use tollgate::catalog::TariffKind;
use tollgate::catalog::admin::fx;
use tollgate::catalog::admin::tariffs::{self, Import};
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::catalog::deck::ColumnMap;

use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::phone::End;
use crate::app::{TestApp, noon};

const DEARER: &str = "prefix,price_per_minute\n49,0.9\n";

on_both!(a_call_granted_under_one_price_is_charged_at_it_whatever_changed_meanwhile, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.markup("retail", "50").await;
    app.tariff("sold", DEARER).await;
    app.tariff("carrier-a", DEARER).await;
    app.talk(&granted, 3_000).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.payers[0].charge, cdr.payers[1].charge, cdr.buy_cost), (3_104_000, 2_587_000, Some(559_000)));

    // The next call is charged at the new prices: 0.9 and half as much again; carrier-a is no cheaper than that.
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(granted.routes.len(), 2);
    app.talk(&granted, 60_000).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.payers[0].charge, cdr.payers[1].charge), (1_350_000_000, 900_000_000));
    assert_eq!((cdr.trunk.as_deref(), cdr.buy_cost), (Some("second"), Some(20_000_000)));
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_call_granted_before_a_restart_is_charged_at_its_own_prices_after_it() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.markup("retail", "50").await;
    app.tariff("sold", DEARER).await;
    app.flush().await;
    let held = app.held("alice").await;

    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert_eq!(app.held("alice").await, held, "the hold stands again");
    app.talk(&granted, 3_000).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!(
        (cdr.payers[0].charge, cdr.payers[1].charge, cdr.buy_cost),
        (3_104_000, 2_587_000, Some(559_000))
    );
    app.assert_right().await;
}

#[tokio::test]
async fn a_price_change_by_another_process_is_in_force_within_a_second() {
    let app = TestApp::start().await;
    app.furnish().await;
    let markup = "100".parse().unwrap();
    // As another process would write it: nobody tells the node.
    let other = tollgate::store::Store::open(&app.database.url).await.unwrap();
    tollgate::catalog::admin::plans::set_markup(&other, "retail", markup, noon()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    assert_eq!(app.cdr(&granted.dial).await.payers[0].charge, 103_460_000);
    app.assert_right().await;
}

#[tokio::test]
async fn a_carrier_in_another_currency_is_bought_at_the_rate_of_its_day() {
    let app = TestApp::start().await;
    app.furnish().await;
    let import = Import {
        name: "dollars".to_owned(),
        kind: TariffKind::Voice,
        currency: Some("USD".parse().unwrap()),
        columns: ColumnMap::default(),
        dry_run: false,
    };
    let (wallets, deck) = ("EUR".parse().unwrap(), &b"prefix,price_per_minute\n49,0.001\n"[..]);
    tariffs::import(&app.services.store, &*app.clock, wallets, deck, import).await.unwrap();
    app.trunk(TrunkSpec::new("american", "american-endpoint", "dollars")).await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(
        granted.routes.len(),
        2,
        "without a rate of exchange it has no price, so nothing is bought from it"
    );
    assert!(app.end(&granted, &End::busy()).await);

    let (usd, eur) = ("USD".parse().unwrap(), "EUR".parse().unwrap());
    fx::set(&app.services.store, usd, eur, "0.92".parse().unwrap(), noon(), noon()).await.unwrap();
    app.calls.catalog.refresh().await.unwrap();
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(granted.routes[0], format!("PJSIP/{BERLIN}@american-endpoint"));
    // The rate changes while it is talked: it was granted under the old one.
    fx::set(&app.services.store, usd, eur, "2".parse().unwrap(), noon(), noon()).await.unwrap();
    app.calls.catalog.refresh().await.unwrap();
    app.talk(&granted, 60_000).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.buy_cost, cdr.margin), (Some(920_000), 51_730_000 - 920_000));
    app.assert_right().await;
}
