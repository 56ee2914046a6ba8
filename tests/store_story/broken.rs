//! Transactions that end by themselves: no later one suffers from them, and nothing is taken for refused.

use tollgate::ledger::{LedgerError, LedgerLimits, audit::audit};
use tollgate::store::{Failure, Store, Tx};

use crate::{
    calls::{answered, number, opened, start},
    database::{Database, story},
};

/// Makes a statement of the transaction fail in a way that ends it: a full disk on `SQLite`, any error on `PostgreSQL`.
async fn break_transaction(tx: &mut Tx) {
    match tx {
        Tx::Sqlite(tx, _) => {
            let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&mut **tx).await.unwrap();
            let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::query(limit).execute(&mut **tx).await.unwrap();
            let text = "INSERT INTO meta (name, value) VALUES ('filler', hex(zeroblob(1000000)))";
            let error = sqlx::query(text).execute(&mut **tx).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "13", "SQLITE_FULL");
        }
        Tx::Postgres(tx) => {
            sqlx::query("SELECT 1 / 0").execute(&mut **tx).await.unwrap_err();
        }
    }
}

/// Limits the writing connection of an `SQLite` store to the pages it has.
async fn fill(store: &Store) {
    let Tx::Sqlite(mut tx, _turn) = store.begin().await.unwrap() else { panic!("only SQLite is limited so") };
    let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&mut *tx).await.unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

story!(a_transaction_that_ended_by_itself_does_not_spoil_later_ones, database => {
    let store = &database.store;
    for _ in 0..12 {
        let mut tx = store.begin().await.unwrap();
        break_transaction(&mut tx).await;
        drop(tx);
    }
    store.set_meta("later", "1").await.unwrap();
    assert_eq!(store.meta("later").await.unwrap().as_deref(), Some("1"));
    assert_eq!(store.meta("filler").await.unwrap(), None);
});

story!(the_commit_of_a_transaction_that_ended_by_itself_is_an_error, database => {
    let store = &database.store;
    let mut tx = store.begin().await.unwrap();
    tx.append_feed("plan", 1, crate::database::noon()).await.unwrap();
    break_transaction(&mut tx).await;
    let error = tx.commit().await.unwrap_err();
    assert_eq!(error.failure(), Failure::Broken, "{error}");
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(store.feed_position().await.unwrap(), 0, "nothing was written");
    store.set_meta("later", "1").await.unwrap();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settlements_on_a_full_disk_are_unavailability_and_succeed_when_there_is_space() {
    let database = Database::sqlite().await;
    let limits = LedgerLimits { patience: std::time::Duration::ZERO, ..LedgerLimits::default() };
    let running = start(&database.store, limits).await;
    fill(&database.store).await;
    let mut settled = 0;
    let error = loop {
        let unique_id = format!("1.{settled}");
        running.ledger.open_call(opened(&unique_id));
        match running.ledger.settle(answered(&unique_id, 60_000)).await {
            Ok(_) => settled += 1,
            Err(error) => break error,
        }
        assert!(settled < 10_000, "the database does not fill up");
    };
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    // The connection that was limited is gone, and with it the limit.
    let unique_id = format!("1.{settled}");
    assert!(!running.ledger.settle(answered(&unique_id, 60_000)).await.unwrap().duplicate);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM call_keys").await, settled + 1);
    assert!(audit(&database.store).await.unwrap().ok);
}
