//! Importing decks, and the exchange rates their prices go through.

use std::fmt::Write as _;

use jiff::SignedDuration;
use tollgate::catalog::{
    TariffKind,
    admin::{AdminError, fx, tariffs},
    deck::ColumnMap,
};
use tollgate::clock::Clock as _;

use crate::database::story;
use crate::world::{World, currency, money, number, plan};

story!(an_import_makes_one_version_and_one_feed_entry, database => {
    let world = World::new(database);
    let before = world.database.store.feed_position().await.unwrap();
    let done = world.import("sell", "49,0.01\n44,0.02\n").await;
    assert_eq!((done.rows, done.prefixes, done.version.unwrap().1), (2, 2, 1));
    let changes = world.database.store.changes_since(before).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].kind.as_str(), changes[0].item_id), ("tariff", done.tariff_id.unwrap()));

    let again = world.import("sell", "49,0.03\n").await;
    assert_eq!(again.tariff_id, done.tariff_id);
    assert_eq!(again.version.unwrap().1, 2);
    let listed = tariffs::list(&world.database.store).await.unwrap();
    assert_eq!((listed.len(), listed[0].number, listed[0].prefix_count), (1, 2, 1));
});

story!(a_refused_deck_and_a_dry_run_leave_no_trace, database => {
    let world = World::new(database);
    world.import("sell", "49,0.01\n").await;
    let before = world.database.store.feed_position().await.unwrap();
    let refused = world.import_in("sell", "49,0.01\n49,x\n", "EUR").await;
    assert!(matches!(refused, Err(AdminError::Deck(_))));
    let refused = world.import_in("sell", "49,0.01\n", "USD").await;
    assert!(matches!(refused, Err(AdminError::Invalid { field: "currency", .. })), "a tariff keeps its currency");
    let import = tariffs::Import {
        name: "other".to_owned(), kind: TariffKind::Voice, currency: None, columns: ColumnMap::default(), dry_run: true,
    };
    let input = std::io::Cursor::new("prefix,price_per_minute\n49,0.01\n");
    let done = tariffs::import(&world.database.store, &world.clock, currency("EUR"), input, import).await.unwrap();
    assert_eq!((done.rows, done.version), (1, None));

    assert_eq!(world.database.store.feed_position().await.unwrap(), before);
    assert_eq!(tariffs::list(&world.database.store).await.unwrap().len(), 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM decks").await, 1);
});

story!(a_deck_of_many_chunks_reads_back_whole, database => {
    let world = World::new(database);
    let mut deck = String::new();
    for at in 0..9_001 {
        writeln!(deck, "{},0.0{}", 100_000 + at, at % 90 + 10).unwrap();
    }
    let done = world.import("sell", &deck).await;
    assert_eq!(done.prefixes, 9_001);
    assert_eq!(world.count("SELECT COUNT(*) FROM deck_chunks").await, 3);
    let csv = tariffs::export(&world.database.store, "sell").await.unwrap();
    assert_eq!(csv.lines().count(), 9_002);
    let input = std::io::Cursor::new(csv);
    let (_, same) = tariffs::diff_with(&world.database.store, "sell", input, ColumnMap::default()).await.unwrap();
    assert!(same.is_empty());
    assert_eq!(same.unchanged, 9_001);
});

story!(what_a_crashed_import_left_is_swept_by_a_later_one, database => {
    let world = World::new(database);
    let store = &world.database.store;
    let mut tx = store.begin().await.unwrap();
    let left = tx.catalog_ids(1).await.unwrap();
    tx.stage_deck(left, world.now()).await.unwrap();
    for seq in 0..20 {
        assert!(tx.stage_chunk(left, seq, "prefix,price_per_minute\n49,0.01\n", world.now()).await.unwrap());
    }
    assert!(!tx.stage_chunk(left, 7, "", world.now()).await.unwrap(), "chunks come in order");
    tx.commit().await.unwrap();

    world.import("sell", "49,0.01\n").await;
    assert_eq!(world.count("SELECT COUNT(*) FROM decks").await, 2, "it may still be under way");
    world.clock.advance_ms(16 * 60 * 1_000);
    world.import("sell", "49,0.01\n").await;
    assert_eq!(world.count("SELECT COUNT(*) FROM decks").await, 2);
    assert_eq!(world.count("SELECT COUNT(*) FROM deck_chunks").await, 2);

    let mut tx = store.begin().await.unwrap();
    assert!(!tx.stage_chunk(left, 20, "", world.now()).await.unwrap(), "the swept import notices");
    assert!(!tx.finish_deck(left, 20, world.now()).await.unwrap());
});

story!(a_deck_in_another_currency_is_converted_at_the_recorded_rate, database => {
    let world = World::new(database);
    let done = world.import_in("buy", "49,0.0125\n44,0.333333333\n", "USD").await.unwrap();
    assert_eq!(done.missing_rate, Some(("USD".to_owned(), "EUR".to_owned())));
    world.plan_on("wholesale", "buy").await;
    let catalog = world.catalog().await;
    assert!(catalog.snapshot().plan_named("wholesale").is_none(), "no price rather than a wrong one");
    assert_eq!(
        catalog.snapshot().complaints(),
        ["plan \"wholesale\" has no prices: tariff \"buy\" is in USD and no exchange rate from USD to EUR is set: \
          tollgate fx set USD EUR RATE"]
    );

    assert_eq!(world.fx("USD", "0.921512345678", world.now()).await.repriced, ["buy"]);
    catalog.refresh().await.unwrap();
    assert_eq!(world.price(&catalog, "wholesale", "4930123456"), "0.011518904");
    assert_eq!(world.price(&catalog, "wholesale", "442071234567"), "0.307170782");
    assert!(catalog.snapshot().complaints().is_empty());
    let csv = tariffs::export(&world.database.store, "buy").await.unwrap();
    assert!(csv.contains("\n49,0.0125,"), "the deck itself stays in its currency");
});

story!(a_rate_dated_in_the_future_takes_effect_when_it_comes, database => {
    let world = World::new(database);
    world.fx("USD", "0.9", world.now()).await;
    world.import_in("buy", "49,1\n", "USD").await.unwrap();
    world.plan_on("wholesale", "buy").await;
    let tomorrow = world.now().checked_add(SignedDuration::from_hours(24)).unwrap();
    assert!(world.fx("USD", "0.8", tomorrow).await.repriced.is_empty());
    let catalog = world.catalog().await;
    assert_eq!(world.price(&catalog, "wholesale", "4930123456"), "0.9");
    let old = plan(&catalog, "wholesale");

    world.clock.advance_ms(24 * 60 * 60 * 1_000);
    let repriced = fx::reprice(&world.database.store, currency("EUR"), world.clock.now()).await.unwrap();
    assert_eq!(repriced, ["buy"]);
    assert!(fx::reprice(&world.database.store, currency("EUR"), world.now()).await.unwrap().is_empty());
    catalog.refresh().await.unwrap();
    assert_eq!(world.price(&catalog, "wholesale", "4930123456"), "0.8");

    // A call granted yesterday settles at yesterday's rate, also by a process that knows nothing of it yet.
    let fresh = world.catalog().await;
    let rate = fresh
        .rate_at_versions(&old.plan_version_ids, old.tariff_version_id, number("4930123456"), world.now())
        .await
        .unwrap();
    assert_eq!(rate.price_per_minute(world.now()), money("0.9"));

    // Many such calls that end at once have the deck compiled once.
    let fresh = world.catalog().await;
    let settling = (0..8).map(|_| fresh.priced_at(&old.plan_version_ids, old.tariff_version_id));
    let priced = futures::future::try_join_all(settling).await.unwrap();
    assert!(priced.iter().all(|one| std::sync::Arc::ptr_eq(one.tariff(), priced[0].tariff())));
});

story!(two_imports_at_once_make_two_versions, database => {
    let world = World::new(database);
    let (one, other) = tokio::join!(
        world.import_in("sell", "49,0.01\n", "EUR"),
        world.import_in("sell", "49,0.02\n", "EUR"),
    );
    let mut numbers = [one.unwrap().version.unwrap().1, other.unwrap().version.unwrap().1];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(world.count("SELECT COUNT(*) FROM tariffs").await, 1);
});
