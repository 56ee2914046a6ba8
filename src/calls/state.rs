//! The calls of this process.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use dashmap::{DashMap, DashSet};
use foldhash::fast::RandomState;

use super::ended::{Charged, EndedKeys, OnTrust};
use super::link_state::LinkIs;
use super::open::OpenCall;
use super::orders::Orders;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{Callerid, Config, OnLinkLoss, Reserve, Secret, WhenDatabaseDown};
use crate::directory::Directory;
use crate::ledger::{CallKey, Ledger, Spool};
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::services::ownership::Ownership;
use crate::services::{ServiceError, Services};
use crate::store::Store;

/// What of the configuration calls need.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// The wallets' currency.
    pub currency: String,
    /// The operator's longest call.
    pub max_call_seconds: u32,
    /// Seconds a call may ring.
    pub ring_seconds: u32,
    /// Routes in a grant.
    pub max_routes: usize,
    /// Whether calls are admitted while the database is away.
    pub when_database_down: WhenDatabaseDown,
    /// Whether a slice is held at a time, or the whole grant.
    pub reserve: Reserve,
    /// Seconds of a slice.
    pub slice_seconds: u32,
    /// How far a call may run while its control link is away.
    pub on_link_loss: OnLinkLoss,
    /// Which numbers clients may present.
    pub callerid: Callerid,
    /// What answers to the dialplan are proved with.
    pub proof_secret: Option<Secret>,
}

impl CallSettings {
    /// From the configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            currency: config.money.currency.clone(),
            max_call_seconds: config.credit.max_call_seconds,
            ring_seconds: config.routing.ring_seconds,
            max_routes: config.routing.max_routes,
            when_database_down: config.credit.when_database_down,
            reserve: config.credit.reserve,
            slice_seconds: config.credit.slice_seconds,
            on_link_loss: config.credit.on_link_loss,
            callerid: config.callerid.clone(),
            proof_secret: config.fastagi.proof_secret.clone(),
        }
    }
}

/// The calls of this process.
pub struct Calls {
    /// From the configuration.
    pub settings: CallSettings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who calls and who pays.
    pub directory: Arc<Directory>,
    /// What it costs and where it goes.
    pub catalog: Arc<Catalog>,
    /// The book's writer.
    pub ledger: Ledger,
    /// Where ended calls go: to the book, and when that does not answer to a file.
    pub spool: Spool,
    /// The book.
    pub store: Store,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this process may admit.
    pub ownership: Arc<Ownership>,
    pub(super) secrets: Arc<ArcSwap<Secrets>>,
    pub(super) open: DashMap<CallKey, Box<OpenCall>, RandomState>,
    /// The newest CDR whose charges are in the balances that the wallets began with.
    pub(super) read_to_cdr: i64,
    /// Makes a number of a call's key, for the two lists below: cheaper to keep, and for two calls to share one is less
    /// likely than any other fault of the machine.
    pub(super) numbers: RandomState,
    /// Calls that a request has in hand at this moment: one at a time decides about a call.
    pub(super) locked: DashSet<u64, RandomState>,
    /// Calls that ended a short while ago: a unique id that comes again is not a new call.
    pub(super) ended: Mutex<EndedKeys>,
    /// Charges that the wallets have taken and the ledger has not acknowledged, as many as the spool keeps.
    pub(super) trusted: Mutex<HashMap<(u64, Charged), OnTrust>>,
    /// The newest CDR that the book has acknowledged.
    pub(super) newest_cdr: AtomicI64,
    pub(super) draining: AtomicBool,
    /// How the control link to each server is.
    pub(super) links: DashMap<Box<str>, LinkIs>,
    /// Where orders to live calls are left, once there is somebody to carry them out.
    pub(super) orders: OnceLock<Orders>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

impl Calls {
    /// Ties the shared services together, with no call open.
    pub async fn start(services: &Services) -> Result<Arc<Self>, ServiceError> {
        let memory = services.memory().await?;
        let (ledger, spool) = services.ledger_and_spool().await?;
        Ok(Arc::new(Self {
            settings: CallSettings::of(&services.config),
            clock: Arc::clone(&services.clock),
            directory: Arc::clone(&memory.directory),
            catalog: Arc::clone(&memory.catalog),
            ledger,
            spool,
            store: services.store.clone(),
            metrics: Arc::clone(&services.metrics),
            ownership: Arc::clone(&services.ownership),
            secrets: Arc::clone(&services.secrets),
            read_to_cdr: memory.read_to_cdr,
            open: DashMap::default(),
            numbers: RandomState::default(),
            locked: DashSet::default(),
            ended: Mutex::default(),
            trusted: Mutex::default(),
            newest_cdr: AtomicI64::new(memory.read_to_cdr),
            draining: AtomicBool::new(false),
            links: DashMap::default(),
            orders: OnceLock::new(),
        }))
    }

    /// Refuses new calls from now on; live ones still settle.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whoever carries out orders to live calls takes them from here.
    pub fn take_orders_to(&self, orders: Orders) {
        // Set once, at the start.
        let _ = self.orders.set(orders);
    }

    /// What a call holds or pays has changed: its first payer may be a subaccount that wants a top-up.
    pub(super) fn check_top_up(&self, call: &OpenCall) {
        if let Some(payer) = call.payers.first() {
            self.directory.wallet_watch().look_at(&payer.account);
        }
    }

    /// Calls that hold credit now.
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Whether a new call may be admitted now. A process that lost its lease admits nothing; one whose database is away
    /// only where the operator said so, and on the basis of an ownership that was valid when the outage began.
    pub fn admits(&self) -> bool {
        if self.draining.load(Ordering::Relaxed) {
            return false;
        }
        match self.settings.when_database_down {
            WhenDatabaseDown::Refuse => {
                self.ownership.is_trusted(&self.clock.moment()) && !self.spool.is_away()
            }
            WhenDatabaseDown::Admit => self.may_spend(),
        }
    }

    /// Whether this process may hold more credit for calls that it has admitted: it owns, or did when an outage of the
    /// database began that goes on.
    pub fn may_spend(&self) -> bool {
        let now = self.clock.moment();
        self.ownership.is_trusted(&now) || self.ownership.is_kept_by_outage(&now)
    }

    /// Lets one request at a time have a call in hand, so that memory follows the book's decision whichever came
    /// first, and no grant overwrites another.
    pub(super) fn lock_call(&self, key: &CallKey) -> Option<CallLock<'_>> {
        let number = self.numbers.hash_one(key);
        self.locked.insert(number).then(|| CallLock { calls: self, number })
    }

    /// Whether the call ended lately.
    pub(super) fn has_ended(&self, key: &CallKey) -> bool {
        let number = self.numbers.hash_one(key);
        self.ended().contains(number)
    }

    /// What the wallets have taken of the charge of a call that ended lately, and that is durable.
    pub(super) fn charged(&self, key: &CallKey) -> Charged {
        let number = self.numbers.hash_one(key);
        self.ended().charged(number)
    }

    /// Whether the wallets in memory have the charge of a call's record: in the balances they began with, or taken
    /// since.
    pub(super) fn has_charged(&self, key: &CallKey, cdr_id: i64, provisional: bool) -> bool {
        cdr_id <= self.read_to_cdr || self.charged(key) >= Charged::by(provisional)
    }

    /// Remembers that the call has ended, and what the wallets took of its charge.
    pub(super) fn record_end(&self, key: &CallKey, charged: Charged) {
        let number = self.numbers.hash_one(key);
        self.ended().add(number, charged);
    }

    /// Remembers the seconds that an ended call's payers are charged for at most.
    pub(super) fn record_limit(&self, key: &CallKey, seconds: u32) {
        let number = self.numbers.hash_one(key);
        self.ended().limit(number, seconds);
    }

    /// The seconds that an ended call's payers are charged for at most, where that is remembered.
    pub(super) fn limit_of(&self, key: &CallKey) -> Option<u32> {
        let number = self.numbers.hash_one(key);
        self.ended().at_most(number)
    }

    pub(super) fn ended(&self) -> MutexGuard<'_, EndedKeys> {
        // Whoever panicked left the list whole: it is changed by single insertions and removals.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn secrets(&self) -> Arc<Secrets> {
        self.secrets.load_full()
    }
}

/// A request's turn at a call.
pub(super) struct CallLock<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for CallLock<'_> {
    fn drop(&mut self) {
        self.calls.locked.remove(&self.number);
    }
}
