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

/// Settings of the configuration that calls need.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Currency of the wallets.
    pub currency: String,
    /// The operator's maximum length of a call, in seconds.
    pub max_call_seconds: u32,
    /// Maximum ringing time, in seconds.
    pub ring_seconds: u32,
    /// Maximum routes of a grant.
    pub max_routes: usize,
    /// Policy for admitting calls while the database is unreachable.
    pub when_database_down: WhenDatabaseDown,
    /// Amount held at a time: a slice, or the whole grant.
    pub reserve: Reserve,
    /// Length of a slice, in seconds.
    pub slice_seconds: u32,
    /// Limit of a call while its control link is down.
    pub on_link_loss: OnLinkLoss,
    /// Rules for the numbers that clients may present.
    pub callerid: Callerid,
    /// Secret for the proof of answers to the dialplan.
    pub proof_secret: Option<Secret>,
}

impl CallSettings {
    /// Reads the settings from the configuration.
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
    /// Settings from the configuration.
    pub settings: CallSettings,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Accounts that call and pay, with their peers.
    pub directory: Arc<Directory>,
    /// Prices and routes.
    pub catalog: Arc<Catalog>,
    /// The ledger's writer.
    pub ledger: Ledger,
    /// Queue for ended calls: they go to the ledger, or to a file while it does not answer.
    pub spool: Spool,
    /// Store with accounts and ledger.
    pub store: Store,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Ownership, which decides whether this process may admit calls.
    pub ownership: Arc<Ownership>,
    pub(super) secrets: Arc<ArcSwap<Secrets>>,
    pub(super) open: DashMap<CallKey, Box<OpenCall>, RandomState>,
    /// Id of the newest CDR whose charges are included in the wallets' initial balances.
    pub(super) read_to_cdr: i64,
    /// Hashes a call's key to a number for the two collections below: numbers are cheaper to keep, and a collision is
    /// less likely than any other fault of the machine.
    pub(super) numbers: RandomState,
    /// Calls locked by a request: only one request at a time decides about a call.
    pub(super) locked: DashSet<u64, RandomState>,
    /// Recently ended calls: a unique id that occurs again is not a new call.
    pub(super) ended: Mutex<EndedKeys>,
    /// Charges that are in the wallets and that the ledger has not acknowledged, at most as many as the spool keeps.
    pub(super) trusted: Mutex<HashMap<(u64, Charged), OnTrust>>,
    /// Id of the newest CDR that the ledger has acknowledged.
    pub(super) newest_cdr: AtomicI64,
    pub(super) draining: AtomicBool,
    /// State of the control link to each server.
    pub(super) links: DashMap<Box<str>, LinkIs>,
    /// Queue of orders to live calls, once a task carries them out.
    pub(super) orders: OnceLock<Orders>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

impl Calls {
    /// Creates the calls over the shared services, with no call open.
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

    /// Refuses new calls from now on; live ones are still settled.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Sets the queue from which orders to live calls are carried out.
    pub fn take_orders_to(&self, orders: Orders) {
        // Set once, at the start.
        let _ = self.orders.set(orders);
    }

    /// Checks for a due top-up after a change of a call's holds or charges: its first payer may be a subaccount.
    pub(super) fn check_top_up(&self, call: &OpenCall) {
        if let Some(payer) = call.payers.first() {
            self.directory.wallet_watch().look_at(&payer.account);
        }
    }

    /// Returns the number of calls that hold credit.
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Reports whether a new call may be admitted. A process that lost its lease admits none; one whose database is
    /// unreachable admits calls only if so configured, and if its ownership was valid when the outage began.
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

    /// Reports whether this process may hold more credit for admitted calls: it owns the wallets, or did when a still
    /// lasting outage of the database began.
    pub fn may_spend(&self) -> bool {
        let now = self.clock.moment();
        self.ownership.is_trusted(&now) || self.ownership.is_kept_by_outage(&now)
    }

    /// Locks a call for one request at a time, so that memory follows the ledger's decision in any order of requests,
    /// and no grant overwrites another. `None` while another request has the lock.
    pub(super) fn lock_call(&self, key: &CallKey) -> Option<CallLock<'_>> {
        let number = self.numbers.hash_one(key);
        self.locked.insert(number).then(|| CallLock { calls: self, number })
    }

    /// Reports whether the call ended recently.
    pub(super) fn has_ended(&self, key: &CallKey) -> bool {
        let number = self.numbers.hash_one(key);
        self.ended().contains(number)
    }

    /// Returns the part of a recently ended call's charge that is in the wallets and durable.
    pub(super) fn charged(&self, key: &CallKey) -> Charged {
        let number = self.numbers.hash_one(key);
        self.ended().charged(number)
    }

    /// Reports whether the wallets in memory have the charge of a call's record: in their initial balances, or applied
    /// since.
    pub(super) fn has_charged(&self, key: &CallKey, cdr_id: i64, provisional: bool) -> bool {
        cdr_id <= self.read_to_cdr || self.charged(key) >= Charged::by(provisional)
    }

    /// Stores that the call has ended, and the part of its charge that the wallets have.
    pub(super) fn record_end(&self, key: &CallKey, charged: Charged) {
        let number = self.numbers.hash_one(key);
        self.ended().add(number, charged);
    }

    /// Stores the maximum seconds that an ended call's payers are charged for.
    pub(super) fn record_limit(&self, key: &CallKey, seconds: u32) {
        let number = self.numbers.hash_one(key);
        self.ended().limit(number, seconds);
    }

    /// Returns the maximum seconds that an ended call's payers are charged for, if stored.
    pub(super) fn limit_of(&self, key: &CallKey) -> Option<u32> {
        let number = self.numbers.hash_one(key);
        self.ended().at_most(number)
    }

    pub(super) fn ended(&self) -> MutexGuard<'_, EndedKeys> {
        // Single insertions and removals: a panicking holder left the list consistent.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn secrets(&self) -> Arc<Secrets> {
        self.secrets.load_full()
    }
}

/// The lock of a request on a call.
pub(super) struct CallLock<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for CallLock<'_> {
    fn drop(&mut self) {
        self.calls.locked.remove(&self.number);
    }
}
