//! The schema and the texts of the queries.

use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
use tollgate::store::{Session as _, Side, Store, StoreError};

use tollgate::{
    clock::Clock as _,
    ledger::{LedgerLimits, audit::audit},
};

use crate::{
    calls::{answered, number, start},
    database::{Database, new_postgres_database, noon, story},
};

story!(migrating_again_changes_nothing, database => {
    database.store.migrate(noon()).await.unwrap();
    let again = Store::open(&database.url).await.unwrap();
    again.migrate(noon()).await.unwrap();
    assert_eq!(again.head().await.unwrap().entry_id, 0);
});

story!(a_database_of_a_newer_program_is_refused, database => {
    execute(&database.store, "INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 0)").await.unwrap();
    let error = database.store.migrate(noon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration { version: 9999, .. }), "{error}");
});

story!(a_changed_step_is_refused, database => {
    execute(&database.store, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1").await.unwrap();
    let error = database.store.migrate(noon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration { version: 1, .. }), "{error}");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_migrate_at_once_both_succeed() {
    let files = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", files.path().join("new.db").display());
    for url in [sqlite, new_postgres_database().await] {
        let (one, other) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
        let (first, second) = tokio::join!(one.migrate(noon()), other.migrate(noon()));
        first.unwrap();
        second.unwrap();
        assert_eq!(one.head().await.unwrap().entry_id, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_has_its_partitions_and_other_times_have_the_default_one() {
    let database = Database::postgres().await;
    let running = start(&database.store, LedgerLimits::default()).await;
    running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    running.clock.step_wall_ms(400 * 86_400 * 1_000);
    running.ledger.settle(answered("1.2", 60_000)).await.unwrap();
    for (table, rows) in [
        ("SELECT COUNT(*) FROM cdrs_y2026m11", 1),
        ("SELECT COUNT(*) FROM cdrs_default", 1),
        ("SELECT COUNT(*) FROM cdr_payers_y2026m11", 2),
        ("SELECT COUNT(*) FROM entries_y2026m11", 4),
        ("SELECT COUNT(*) FROM entries_default", 4),
        ("SELECT COUNT(*) FROM transactions_default", 1),
        ("SELECT COUNT(*) FROM entries_y2027m02", 0),
    ] {
        assert_eq!(number(&database.store, table).await, rows, "{table}");
    }
    // The month whose rows the default partition has already keeps them there.
    database.store.make_partitions(running.clock.now()).await.unwrap();
    assert!(!running.ledger.settle(answered("1.3", 60_000)).await.unwrap().duplicate);
    assert!(audit(&database.store).await.unwrap().ok);
}

story!(every_query_text_is_understood, database => {
    let mut texts: Vec<(String, String)> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/queries"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    texts.extend(tollgate::store::generated_queries());
    assert!(texts.len() >= 10);
    let mut bad = Vec::new();
    for (name, text) in texts {
        let mut tx = database.store.begin().await.unwrap();
        let prepared = match tx.side() {
            Side::Sqlite(_) if name.ends_with(".postgres.sql") => continue,
            Side::Postgres(_) if name.ends_with(".sqlite.sql") => continue,
            Side::Sqlite(c) => c.prepare(AssertSqlSafe(text).into_sql_str()).await.map(drop),
            Side::Postgres(c) => c.prepare(AssertSqlSafe(text).into_sql_str()).await.map(drop),
        };
        if let Err(error) = prepared {
            bad.push(format!("{name}: {error}"));
        }
        tx.rollback().await.unwrap();
    }
    assert!(bad.is_empty(), "{bad:#?}");
});

/// Runs a text of the test's own.
pub(crate) async fn execute(store: &Store, text: &'static str) -> Result<u64, sqlx::Error> {
    let mut tx = store.begin().await.unwrap();
    let changed = match tx.side() {
        Side::Sqlite(c) => sqlx::query(text).execute(c).await?.rows_affected(),
        Side::Postgres(c) => sqlx::query(text).execute(c).await?.rows_affected(),
    };
    tx.commit().await.unwrap();
    Ok(changed)
}
