//! A fresh database for each test, of both sorts.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use tollgate::store::Store;

/// A database that is gone when the test is.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) url: String,
    _files: Option<tempfile::TempDir>,
}

/// The time at which every story begins.
pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl Database {
    pub(crate) async fn sqlite() -> Self {
        let files = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", files.path().join("story.db").display());
        Self::migrated(url, Some(files)).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::migrated(new_postgres_database().await, None).await
    }

    async fn migrated(url: String, files: Option<tempfile::TempDir>) -> Self {
        let store = Store::open(&url).await.unwrap();
        store.migrate(noon()).await.unwrap();
        Self { store, url, _files: files }
    }
}

/// Makes an empty database on the test server; the server is thrown away with all of them.
pub(crate) async fn new_postgres_database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("TOLLGATE_TEST_POSTGRES").expect(
        "TOLLGATE_TEST_POSTGRES is not set: run the tests with tests/run, which starts a PostgreSQL for them \
         (or set it to the URL of a server where databases may be created)",
    );
    let name = format!("story_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
        .execute(&admin)
        .await
        .unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let (base, parameters) =
        server.split_once('?').map_or((server.as_str(), ""), |(base, rest)| (base, rest));
    let scheme_end = base.find("://").unwrap() + 3;
    let host_end = base[scheme_end..].find('/').map_or(base.len(), |slash| scheme_end + slash);
    format!("{}/{name}?{parameters}", &base[..host_end])
}

/// Tells one claim on both databases: `story!(a_claim, database => { … })` is `a_claim::sqlite` and `a_claim::postgres`.
macro_rules! story {
    ($claim:ident, $database:ident => $told:block) => {
        mod $claim {
            use super::*;

            async fn told($database: crate::database::Database) $told

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                told(crate::database::Database::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                told(crate::database::Database::postgres().await).await;
            }
        }
    };
}
pub(crate) use story;
