//! Automatic top-ups of subaccounts, triggered by holds and charges of their calls.

use std::time::Duration;

use serde_json::json;
use tollgate::accounts::ops::AccountChange;
use tollgate::clock::Clock as _;
use tollgate::peers;

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::phone::End;

const SERVER: &str = "pbx1";

/// A house whose client `alice` has a subaccount with a phone; calls are metered.
struct House {
    app: TestApp,
    script: Script,
    id: String,
}

impl House {
    async fn on(database: Database) -> Self {
        let app = TestApp::on(database, |_| {}).await;
        app.furnish().await;
        let script = app.script("alice").await;
        let made =
            script.post("/api/subaccounts/create", &json!({ "name": "", "email": "a@b.de" })).await.ok();
        let id = made["subaccount"]["id"].as_str().unwrap().to_owned();
        peers::ops::create(&app.services, &id, None).await.unwrap();
        app.calls.add_server(SERVER);
        app.calls.link_up(SERVER);
        Self { app, script, id }
    }

    async fn transfer(&self, amount: &str) {
        let body = json!({ "id": self.id, "amount": amount });
        let done = self.script.post("/api/subaccounts/transfer_credits", &body).await.ok();
        assert_eq!(done["success"], true, "{done}");
    }

    async fn top_up(&self, threshold: &str, amount: &str) {
        let body = json!({ "id": self.id, "threshold": threshold, "amount": amount });
        let done = self.script.post("/api/subaccounts/update", &body).await.ok();
        assert_eq!(done["success"], true, "{done}");
    }

    /// Client and subaccount have these balances, soon and for a while.
    async fn has(&self, client: &str, subaccount: &str) {
        let wanted = (client.to_owned(), subaccount.to_owned());
        let mut seen = 0;
        for _ in 0..250 {
            let found = (self.app.balance("alice").await, self.app.balance(&self.id).await);
            seen = if found == wanted { seen + 1 } else { 0 };
            if seen == 5 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let found = (self.app.balance("alice").await, self.app.balance(&self.id).await);
        assert_eq!(found, wanted);
    }
}

on_both!(a_live_calls_hold_triggers_the_top_up_once_per_fall_below_the_threshold, database => {
    let house = House::on(database).await;
    house.transfer("1").await;
    house.top_up("0.9", "2").await;
    // Being set is no charge.
    house.has("99", "1").await;
    // Two minutes are held: 0.124152. 0.875848 are left, under the threshold.
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("97", "3").await;
    assert_eq!(house.app.held(&house.id).await, "0.124152");
    let other = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("97", "3").await;
    assert!(house.app.end(&other, &End::busy()).await);
    house.app.talk(&granted, 60_000).await;
    house.has("97", "2.937924").await;
    // Put under the threshold by a charge, not by a hold.
    house.app.leave(&house.id, "0.95").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("95", "2.95").await;
    house.app.talk(&granted, 1_000).await;
    house.app.assert_right().await;
    house.app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_that_stays_below_the_threshold_is_not_repeated() {
    let house = House::on(Database::sqlite()).await;
    house.transfer("1").await;
    house.top_up("50", "2").await;
    let first = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("97", "3").await;
    let second = house.app.dial(&house.id, BERLIN).await.allowed();
    house.app.talk(&first, 1_000).await;
    house.has("97", "2.998965").await;
    // Set anew, it is armed again: the next charge fires it.
    house.top_up("50", "2").await;
    house.has("97", "2.998965").await;
    house.app.talk(&second, 1_000).await;
    house.has("95", "4.99793").await;
    // The balance comes to the threshold by hand and falls again.
    house.transfer("50").await;
    house.has("45", "54.99793").await;
    house.app.leave(&house.id, "50.1").await;
    let third = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("43", "52.1").await;
    house.app.talk(&third, 1_000).await;
    // Switched off it does nothing.
    house.top_up("100", "0").await;
    let fourth = house.app.dial(&house.id, BERLIN).await.allowed();
    house.app.talk(&fourth, 1_000).await;
    house.has("43", "52.09793").await;
    house.app.assert_right().await;
    house.app.stop().await;
}

on_both!(a_top_up_the_client_cannot_pay_is_retried_at_the_next_charge, database => {
    let house = House::on(database).await;
    house.transfer("1").await;
    house.top_up("0.9", "2").await;
    house.app.leave("alice", "1.999999").await;
    let change = AccountChange { credit_limit: Some(money("100")), ..AccountChange::default() };
    house.app.set("alice", change).await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("1.999999", "1").await;
    house.app.credit("alice", "0.000001").await;
    house.has("2", "1").await;
    // The client's own call holds what it would take.
    let own = house.app.dial("alice", BERLIN).await.allowed();
    house.app.talk(&granted, 1_000).await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("2", "0.998965").await;
    assert!(house.app.end(&own, &End::busy()).await);
    let other = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("0", "2.998965").await;
    for granted in [granted, other] {
        assert!(house.app.end(&granted, &End::busy()).await);
    }
    house.app.assert_right().await;
    house.app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_refused_for_credit_triggers_the_top_up() {
    let house = House::on(Database::sqlite()).await;
    house.top_up("1", "5").await;
    assert_eq!(house.app.dial(&house.id, BERLIN).await.reason(), "no_credit");
    house.has("95", "5").await;
    assert!(house.app.dial(&house.id, BERLIN).await.is_allowed());
    house.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_extends_a_live_call() {
    let house = House::on(Database::sqlite()).await;
    // Two minutes and no more.
    house.transfer("0.124152").await;
    house.app.leave("alice", "1").await;
    house.top_up("0.1", "2").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("1", "0.124152").await;
    let at_ms = i64::try_from(house.app.clock.monotonic_ms()).unwrap();
    house.app.calls.answered(SERVER, &granted.dial.unique_id, "PJSIP/first-endpoint-1", at_ms);
    house.app.advance_ms(100_000).await;
    house.app.calls.meter(house.app.clock.monotonic_ms());
    house.has("1", "0.124152").await;
    house.app.credit("alice", "1").await;
    // It asks for more in each pass, and its client can pay by now.
    house.app.clock.advance_ms(250);
    house.app.calls.meter(house.app.clock.monotonic_ms());
    house.has("0", "2.124152").await;
    house.app.clock.advance_ms(250);
    house.app.calls.meter(house.app.clock.monotonic_ms());
    assert!(money(&house.app.held(&house.id).await) > money("0.2"));
    house.app.until_admitting().await;
    house.app.stop().await;
}

on_both!(the_trigger_state_of_top_ups_survives_a_restart, database => {
    let house = House::on(database).await;
    house.transfer("1").await;
    house.top_up("50", "2").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("97", "3").await;
    house.app.talk(&granted, 1_000).await;
    let House { app, script, id } = house;
    let database = app.stop().await;
    // Fired before: not again, although it is under the threshold still.
    let app = TestApp::on(database, |_| {}).await;
    let house = House { script: Script { at: app.http, ..script }, app, id };
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.app.talk(&granted, 1_000).await;
    house.has("97", "2.99793").await;
    // Armed, and its client could not pay: not forgotten.
    house.app.leave("alice", "1").await;
    house.top_up("50", "2").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.app.talk(&granted, 1_000).await;
    house.has("1", "2.996895").await;
    let House { app, script, id } = house;
    let database = app.stop().await;
    let app = TestApp::on(database, |_| {}).await;
    let house = House { script: Script { at: app.http, ..script }, app, id };
    house.has("1", "2.996895").await;
    house.app.credit("alice", "4").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.has("3", "4.996895").await;
    assert!(house.app.end(&granted, &End::busy()).await);
    house.app.assert_right().await;
    house.app.stop().await;
});

on_both!(a_top_up_due_at_shutdown_is_carried_out_after_the_start, database => {
    let house = House::on(database).await;
    house.transfer("1").await;
    house.app.leave("alice", "1").await;
    house.top_up("0.95", "2").await;
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    house.app.talk(&granted, 60_000).await;
    house.has("1", "0.937924").await;
    // Nothing is charged between this and the start.
    house.app.credit("alice", "4").await;
    let House { mut app, mut script, id } = house;
    for _ in 0..2 {
        let database = app.stop().await;
        app = TestApp::on(database, |_| {}).await;
        script = Script { at: app.http, ..script };
        let house = House { app, script, id: id.clone() };
        house.has("3", "2.937924").await;
        house.app.assert_right().await;
        House { app, script, .. } = house;
    }
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_due_during_an_outage_is_carried_out_once_afterwards() {
    let house = House::on(Database::sqlite()).await;
    house.transfer("1").await;
    house.top_up("0.9", "2").await;
    let locked = house.app.services.store.begin().await.unwrap();
    let granted = house.app.dial(&house.id, BERLIN).await.allowed();
    let body = json!({ "name": "", "email": "b@b.de" });
    let away = house.script.post("/api/subaccounts/create", &body).await;
    assert_eq!((away.status, &away.json()["success"]), (503, &json!(false)));
    assert!(away.headers.contains_key("retry-after"));
    // Each try reserves the amount in the client's wallet until it fails; nothing is credited.
    assert_eq!(house.app.balance(&house.id).await, "1");
    locked.rollback().await.unwrap();
    house.has("97", "3").await;
    assert!(house.app.end(&granted, &End::busy()).await);
    house.app.until_admitting().await;
    house.app.assert_right().await;
    house.app.stop().await;
}
