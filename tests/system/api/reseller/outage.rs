//! The HTTP APIs while the database is not available.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_a_database_outage_memory_is_read_and_a_transfer_in_doubt_takes_effect_once() {
    let app = TestApp::start().await;
    app.furnish().await;
    let (client, reseller) = (app.script("alice").await, app.script("acme").await);
    let locked = app.services.store.begin().await.unwrap();
    let asked = Instant::now();
    client.read("client-api", "me").await.ok();
    client.read("client-api", "balance").await.ok();
    reseller.read("reseller-api", "me").await.ok();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let body = json!({"login": "alice", "amount": 5, "external_id": "ORDER-OUTAGE"});
    let away = reseller.write("reseller-api", "transfer", &body).await;
    assert_eq!(away.refused(503), "unavailable");
    assert!(away.headers.contains_key("retry-after"), "{away:?}");
    assert!(asked.elapsed() < Duration::from_secs(40), "{:?}", asked.elapsed());
    locked.rollback().await.unwrap();
    app.until_admitting().await;
    let done = reseller.write("reseller-api", "transfer", &body).await.ok();
    assert_eq!(done["transaction"]["status"], "success");
    assert_eq!(reseller.write("reseller-api", "transfer", &body).await.ok(), done);
    // Whatever of the first try was still under way has found that it is done.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let transactions = reseller.read("reseller-api", "transactions&status=success").await.ok();
    assert_eq!(transactions["total"], 1);
    assert_eq!(app.balance("alice").await, "105");
    app.assert_right().await;
    app.stop().await;
}
