//! A fresh database for each test, of both sorts.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// A database that is gone when the test is, with a directory for what lies beside it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) files: TempDir,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let files = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", files.path().join("tollgate.db").display());
        Self { url, files }
    }

    pub(crate) async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("TOLLGATE_TEST_POSTGRES").expect(
            "TOLLGATE_TEST_POSTGRES is not set: run the tests with tests/run, which starts a PostgreSQL for them \
             (or set it to the URL of a server where databases may be created)",
        );
        let name = format!("system_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let admin = sqlx::PgPool::connect(&server).await.unwrap();
        for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&admin).await.unwrap();
        }
        admin.close().await;
        let (base, parameters) =
            server.split_once('?').map_or((server.as_str(), ""), |(base, rest)| (base, rest));
        let scheme_end = base.find("://").unwrap() + 3;
        let host_end = base[scheme_end..].find('/').map_or(base.len(), |slash| scheme_end + slash);
        let url = format!("{}/{name}?{parameters}", &base[..host_end]);
        Self { url, files: tempfile::tempdir().unwrap() }
    }
}

/// Tells one claim on both databases: `on_both!(a_claim, database => { … })` is `a_claim::sqlite` and
/// `a_claim::postgres`.
macro_rules! on_both {
    ($claim:ident, $database:ident => $told:block) => {
        mod $claim {
            use super::*;

            async fn told($database: crate::app::database::Database) $told

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                told(crate::app::database::Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                told(crate::app::database::Database::postgres().await).await;
            }
        }
    };
}
pub(crate) use on_both;
