//! The service under test, set up as an operator would.

pub(crate) mod asterisk;
pub(crate) mod book;
pub(crate) mod database;
pub(crate) mod decks;
pub(crate) mod deployment;
pub(crate) mod documents;
pub(crate) mod esim;
pub(crate) mod house;
pub(crate) mod http;
pub(crate) mod messages;
pub(crate) mod phone;
pub(crate) mod program;
pub(crate) mod shapes;
#[path = "../../store_story/wire.rs"]
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tollgate::app::node::{Node, NodeError};
use tollgate::calls::Calls;
use tollgate::clock::ManualClock;
use tollgate::config::Config;
use tollgate::esim::Esim;
use tollgate::ledger::audit::audit;
use tollgate::messaging::Messaging;
use tollgate::services::Services;

use self::database::Database;

/// The time at which every test in this process begins.
pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// A serving node on ports of its own, whose clock moves when told to.
pub(crate) struct TestApp {
    pub(crate) services: Arc<Services>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) messaging: Arc<Messaging>,
    pub(crate) esim: Arc<Esim>,
    pub(crate) fastagi: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) http: SocketAddr,
    /// Where requests run.
    pub(crate) requests: Handle,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: Database,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), NodeError>>,
}

impl TestApp {
    /// On an embedded database of its own.
    pub(crate) async fn start() -> Self {
        Self::on(Database::sqlite(), |_| {}).await
    }

    /// On an embedded database, with the configuration changed.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Database::sqlite(), change).await
    }

    /// On this database.
    pub(crate) async fn on(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.database.url = database.url.as_str().into();
        config.secrets.key_file = Some(database.files.path().join("tollgate.key"));
        config.ledger.spool_dir = Some(database.files.path().join("tollgate.spool"));
        config.fastagi.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.internal.socket = Some(database.files.path().join("tollgate.run/tollgate.sock"));
        config.internal.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        change(&mut config);
        let clock = Arc::new(ManualClock::at(noon()));
        let node = Node::start_with(Arc::new(config), Arc::clone(&clock) as _).await.unwrap();
        let (services, calls) = (Arc::clone(&node.services), Arc::clone(&node.calls));
        let messaging = Arc::clone(&node.messaging);
        let esim = Arc::clone(&node.esim);
        let (fastagi, internal, http) = (node.fastagi, node.internal, node.http);
        let requests = node.requests.handle().clone();
        let (stop, told) = oneshot::channel::<()>();
        let running = tokio::spawn(node.run(async move {
            let _ = told.await;
        }));
        Self {
            services,
            calls,
            messaging,
            esim,
            fastagi,
            internal,
            http,
            requests,
            clock,
            database,
            stop: Some(stop),
            running,
        }
    }

    /// Lets time pass, and waits until the node admits calls again: a lease that ran out meanwhile is renewed.
    pub(crate) async fn advance_ms(&self, ms: u32) {
        self.clock.advance_ms(ms);
        self.until_admitting().await;
    }

    /// Waits until the node's lease holds, after its clock was moved.
    pub(crate) async fn until_admitting(&self) {
        for _ in 0..100 {
            if self.calls.admits() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the ownership was not renewed within 5 s");
    }

    /// Everything handed over is in the book on return, refusals included.
    pub(crate) async fn flush(&self) {
        self.calls.ledger.flush().await.unwrap();
    }

    /// Waits until the book has everything that the spool kept.
    pub(crate) async fn until_drained(&self) {
        for _ in 0..600 {
            // The last of it leaves the spool before memory has looked at it: then nobody may be at it any more.
            if self.calls.spooled() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the spool was not drained within 30 s");
    }

    /// Stops the node in order and gives the database to the next one.
    pub(crate) async fn stop(mut self) -> Database {
        drop(self.stop.take());
        self.running.await.unwrap().unwrap();
        self.database
    }

    /// Waits until the node ends by itself, and says how.
    pub(crate) async fn wait_for_end(self) -> Result<(), NodeError> {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.running).await;
        ended.expect("it did not end within 30 s").unwrap()
    }

    /// Proves the book, and that every wallet in memory is what the book says and holds nothing beyond `open` calls.
    pub(crate) async fn assert_right(&self) {
        self.flush().await;
        let report = audit(&self.services.store).await.unwrap();
        assert!(report.ok, "{:#?}", report.differences);
        for id in self.account_ids().await {
            let account = self.calls.directory.account(id).expect("an account of the book is in memory");
            let wallet = account.wallet.snapshot();
            let book = self.services.store.balance(id, "EUR").await.unwrap().money().unwrap();
            assert_eq!(wallet.balance, book, "wallet and book of {}", account.login);
            if self.calls.open_calls() == 0 {
                let held = self.services.store.held_of(id).await.unwrap();
                assert_eq!(
                    wallet.held, held,
                    "without a call {} holds what the book sets aside",
                    account.login
                );
            }
        }
        let journalled = self.services.store.open_calls().await.unwrap();
        assert_eq!(journalled.len(), self.calls.open_calls(), "the journal names the open calls");
    }
}
