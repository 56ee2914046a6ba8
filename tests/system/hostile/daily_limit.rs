//! A client that tries to spend its daily limit twice: by a plan in another zone, by a restart, by a clock that is set back.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tollgate::accounts::ops::{self, AccountChange};
use tollgate::catalog::admin::plans::{Basis, PlanSpec};
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::clock::Clock as _;

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::house::money;

/// 0.48 a minute, in whole minutes.
const DECK: &str = "prefix,price_per_minute,destination,connect_fee,initial_block,increment,blocked\n\
                    49,0.48,Germany,0,60,60,no\n";
const COST: &str = "prefix,price_per_minute,destination\n49,0.02,Germany\n";
const MINUTE: i64 = 480_000_000;
const LIMIT: i64 = 1_500_000_000;
const ZONES: [&str; 5] =
    ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/New_York"];

/// The operator's client `mallory` with a daily limit of 1.5, and a plan in each zone, named like it.
async fn furnish(app: &TestApp) {
    app.tariff("sold", DECK).await;
    app.tariff("bought", COST).await;
    for zone in ZONES {
        let spec = PlanSpec {
            zone: Some(zone.to_owned()),
            ..PlanSpec::new(&zone.replace('/', "-"), Basis::Tariff("sold".to_owned()))
        };
        tollgate::catalog::admin::plans::create(&app.services.store, &spec, app.clock.now()).await.unwrap();
    }
    app.calls.catalog.refresh().await.unwrap();
    app.trunk(TrunkSpec::new("first", "first-endpoint", "bought")).await;
    app.client("mallory", None, "UTC").await;
    app.credit("mallory", "10000").await;
    app.set("mallory", AccountChange { daily_spend: Some(Some(money("1.5"))), ..AccountChange::default() })
        .await;
}

async fn move_to(app: &TestApp, zone: &str) {
    let plan_id = app.services.store.plan_id(&zone.replace('/', "-")).await.unwrap().unwrap();
    let id = app.show("mallory").await.account.id;
    ops::change_plan(&app.services, id, plan_id).await.unwrap();
}

/// Talks as long as the limit lets it, at most so many minutes; how many they were.
async fn talk(app: &TestApp, minutes: i64) -> i64 {
    let answer = app.dial("mallory", BERLIN).await;
    if !answer.is_allowed() {
        assert_eq!(answer.reason(), "daily_limit");
        return 0;
    }
    let granted = answer.allowed();
    let talked = minutes.min(i64::try_from(granted.talk_ms / 59_000).unwrap());
    app.talk(&granted, u32::try_from(talked * 60_000 - 1_000).unwrap()).await;
    talked
}

on_both!(a_plan_in_another_zone_does_not_renew_the_days_limit, database => {
    let app = TestApp::on(database, |_| {}).await;
    furnish(&app).await;
    assert_eq!(talk(&app, 9).await, 3, "1.44 of 1.5");
    for zone in ZONES.iter().rev().chain(&ZONES) {
        move_to(&app, zone).await;
        assert_eq!(talk(&app, 9).await, 0, "{zone}: 2.88 on a limit of 1.5");
    }
    move_to(&app, "Pacific/Kiritimati").await;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert_eq!(talk(&app, 9).await, 0, "a restart renews nothing");
    // It is two in the morning of the 22nd there, and noon in the earlier zones; midnight of the last of them is at eleven.
    app.advance_ms(21 * 3_600_000).await;
    assert_eq!(talk(&app, 9).await, 0, "the day of the earlier zone is not over");
    app.advance_ms(2 * 3_600_000).await;
    assert_eq!(talk(&app, 9).await, 3);
    app.assert_right().await;
});

on_both!(a_limit_that_is_set_in_the_day_counts_what_was_spent_in_every_zones_day, database => {
    let app = TestApp::on(database, |_| {}).await;
    furnish(&app).await;
    let limit = |amount: Option<&str>| AccountChange { daily_spend: Some(amount.map(money)), ..AccountChange::default() };
    app.set("mallory", limit(None)).await;
    let granted = app.dial("mallory", BERLIN).await.allowed();
    app.talk(&granted, 179_000).await;
    move_to(&app, "Pacific/Kiritimati").await;
    // The new zone's day began two hours ago; the call was in it.
    app.set("mallory", limit(Some("1.5"))).await;
    assert_eq!(talk(&app, 9).await, 0);
});

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_renew_the_days_limit() {
    let app = TestApp::on(Database::sqlite(), |_| {}).await;
    furnish(&app).await;
    assert_eq!(talk(&app, 9).await, 3);
    for days in [-1_i64, -3, 1, 3] {
        app.clock.step_wall_ms(days * 86_400_000);
        app.until_admitting().await;
        assert_eq!(talk(&app, 9).await, 0, "{days}");
    }
}

/// The day of a zone that a moment lies in.
fn day(zone: &str, at: Timestamp) -> (Timestamp, Timestamp) {
    let start = at.to_zoned(TimeZone::get(zone).unwrap()).start_of_day().unwrap();
    (start.timestamp(), start.checked_add(1.day()).unwrap().timestamp())
}

/// Plan changes, calls and pauses in no order, against a list of what was ever spent: no call is admitted that would bring
/// any day over the limit which has begun in a zone that the client had in it, and none is refused that would not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zones_changed_at_random_allow_exactly_what_every_begun_day_leaves() {
    let app = TestApp::on(Database::sqlite(), |_| {}).await;
    furnish(&app).await;
    let id = app.show("mallory").await.account.id;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut zone = "UTC";
    let mut spent: Vec<(Timestamp, i64)> = Vec::new();
    let mut begun: Vec<(Timestamp, Timestamp)> = Vec::new();
    for step in 0..50 {
        match next(4) {
            0 => {
                begun.push(day(zone, app.clock.now()));
                zone = ZONES[usize::try_from(next(5)).unwrap()];
                move_to(&app, zone).await;
            }
            1 => app.advance_ms(u32::try_from(next(9 * 3_600_000)).unwrap()).await,
            _ => {
                let now = app.clock.now();
                begun.push(day(zone, now));
                begun.retain(|(_, end)| *end > now);
                let in_day = |(start, _): &(Timestamp, Timestamp)| -> i64 {
                    spent.iter().filter(|(at, _)| at >= start).map(|(_, amount)| amount).sum()
                };
                let most = begun.iter().map(in_day).max().unwrap();
                let asked = i64::try_from(1 + next(3)).unwrap();
                let expected = ((LIMIT - most) / MINUTE).clamp(0, asked);
                assert_eq!(talk(&app, asked).await, expected, "step {step} in {zone}");
                spent.push((app.clock.now(), expected * MINUTE));
                // What a process that starts now would read is what memory counts.
                let now = app.clock.now();
                let store = &app.services.store;
                let mut starts: Vec<i64> =
                    store.spending_days_of(id, now).await.unwrap().iter().map(|day| day.start_s()).collect();
                starts.push(day(zone, now).0.as_second());
                let mut read = 0;
                for start in starts {
                    let since = Timestamp::from_second(start).unwrap();
                    read = read.max(store.spent_since(id, since).await.unwrap().nanos());
                }
                let counted = app.calls.directory.account(id).unwrap().wallet.snapshot().spent.nanos();
                assert_eq!(counted, read, "step {step}");
            }
        }
    }
    assert!(spent.iter().filter(|(_, amount)| *amount > 0).count() > 5);
    app.assert_right().await;
}
