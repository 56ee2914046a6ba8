//! Accounts' money: entries, group commit, audit.
//!
//! The [`Ledger`] is a handle to one writer task. Callers queue facts, the writer takes whatever is queued, writes it in
//! one transaction and acknowledges each caller after the commit that holds its row. The busier it is, the more calls
//! share a commit; an idle ledger commits a call at once.
//!
//! | what | when the queue is full | acknowledged |
//! |---|---|---|
//! | [`Ledger::settle`] | waits | after the commit, once by its key |
//! | [`Ledger::void`] | waits | after the commit |
//! | [`Ledger::post`] | waits | after the commit, if its epoch still owns |
//! | [`Ledger::open_call`] | is dropped and counted | never waits; written if its epoch still owns |
//! | [`Ledger::attempt`] | is counted instead of recorded | never waits |
//!
//! A row that the database refuses fails alone: the rest of its batch is written without it. While the database is
//! away the writer tries again for [`LedgerLimits::patience`] and then gives each caller
//! [`LedgerError::Unavailable`]; it goes on by itself when the database is back. The [`Spool`] that keeps such
//! settlements stands before it and is a [`SettlementSink`] as the ledger is.

mod attempts;
pub mod audit;
pub mod spool;
mod text;
mod writer;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{attempts::AttemptBook, spool::SpoolError, writer::Writer};
use crate::{
    clock::Clock,
    store::{Store, StoreError},
};

pub use self::spool::Spool;
pub use crate::store::{
    balances::Balance,
    batch::{PostingRefusal, RecordedCall, Replaced, Settled},
    cdr::{
        BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, PayerCharge,
        RefusedAttempt, RouteAttempt, Settlement, TrunkUsed,
    },
    open_calls::{Held, OpenCall},
    posting::{
        CALL_REVENUE, Fence, LAST_SYSTEM_ACCOUNT, MESSAGE_REVENUE, OPERATOR_FUNDS, PACKAGE_REVENUE, Posted,
        Posting, PostingLine, RESELLER_CREDIT, RESOLD_CALLS, RESOLD_MESSAGES, RESOLD_PACKAGES, Reference,
        TaxBase,
    },
};

/// Bounds of the ledger, each with a decision for what is beyond it.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Settlements, voids and postings that wait to be written; more callers wait outside.
    pub queue: usize,
    /// The most of them in one transaction: bounds how long one commit can take.
    pub batch: usize,
    /// Opened calls that wait to be journalled; more are dropped and counted (the ticket is on the channel anyway).
    pub opened: usize,
    /// Refused calls of one source and minute that get a CDR; more are counted.
    pub refused_per_source: u32,
    /// Refused calls of one source and day that get a CDR; more are counted.
    pub refused_per_source_day: u32,
    /// Refused calls of a day that get a CDR, and counts of a day that name their source; more are counted together.
    pub refused_per_day: u32,
    /// Sources that are told apart within a minute; more are counted together.
    pub sources: usize,
    /// Refused calls that wait for their CDR; more are counted.
    pub refused_waiting: usize,
    /// How long an unavailable database is tried again before callers get an error.
    pub patience: Duration,
    /// How long a call's opening waits for others to be journalled with it, unless something else is written sooner: a
    /// commit for every few would cost as much as authorising them. What a crash loses meanwhile is the hold's record,
    /// not the call: its ticket is on the channel.
    pub gather: Duration,
    /// How often refusals and openings are written when nothing else is.
    pub idle_flush: Duration,
    /// Entries between checkpoints: start-up sums at most about so many.
    pub checkpoint_entries: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            queue: 8_192,
            batch: 512,
            opened: 65_536,
            refused_per_source: 10,
            refused_per_source_day: 500,
            refused_per_day: 20_000,
            sources: 10_000,
            refused_waiting: 4_096,
            patience: Duration::from_secs(5),
            gather: Duration::from_millis(10),
            idle_flush: Duration::from_millis(200),
            checkpoint_entries: 50_000,
        }
    }
}

/// Why the ledger did not take something.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database is away. It may or may not have been written; settling again settles once.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<StoreError>),
    /// The database refused this row; others were written.
    #[error("the database refused the row: {0}")]
    Refused(Arc<StoreError>),
    /// A posting that may not be written.
    #[error(transparent)]
    Posting(#[from] PostingRefusal),
    /// The database is away and the spool does not keep it either. It may be written all the same.
    #[error("the database is unavailable, and so is the spool: {0}")]
    Spool(SpoolError),
    /// The ledger has stopped.
    #[error("the ledger has stopped")]
    Stopped,
}

/// Where a settlement is that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// In the book.
    Booked(Settled),
    /// In the spool: it has no CDR yet, and whether the call had been settled before is still to be decided.
    Spooled {
        /// Whether the spool had this call's end already; nothing was added.
        again: bool,
    },
}

/// Where ended calls go: the ledger, or what stands before it.
pub trait SettlementSink: Send + Sync {
    /// Returns when the charge is durable.
    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Taken, LedgerError>>;
}

/// What the ledger has counted since it started.
#[derive(Debug, Default)]
pub struct LedgerCounters {
    /// Calls settled.
    pub settled: AtomicU64,
    /// Settlements whose call had been settled before.
    pub duplicates: AtomicU64,
    /// Postings written.
    pub posted: AtomicU64,
    /// Transactions committed.
    pub batches: AtomicU64,
    /// Rows that the database refused.
    pub refused_rows: AtomicU64,
    /// Batches given up because the database was away.
    pub unavailable: AtomicU64,
    /// Opened calls that were not journalled because too many waited, or because another process owned by then.
    pub openings_dropped: AtomicU64,
    /// Refused calls with a CDR.
    pub attempts_recorded: AtomicU64,
    /// Refused calls that were only counted.
    pub attempts_counted: AtomicU64,
}

impl LedgerCounters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A queued command with the way back to its caller.
enum Command {
    Settle(Box<Settlement>, oneshot::Sender<Result<Settled, LedgerError>>),
    Void(CallKey, oneshot::Sender<Result<(), LedgerError>>),
    Post(Box<Posting>, oneshot::Sender<Result<Posted, LedgerError>>),
    Flush(oneshot::Sender<Result<(), LedgerError>>),
}

/// What callers leave without waiting, until the writer comes by.
struct Inbox {
    opened: Mutex<Vec<OpenCall>>,
    /// The epoch under which openings are written; 0 for none.
    epoch: AtomicI64,
    attempts: Mutex<AttemptBook>,
    filled: Notify,
    /// Openings were refused because their epoch is over.
    fenced: Notify,
}

/// A handle to the writer. Cloning is cheap.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Command>,
    inbox: Arc<Inbox>,
    counters: Arc<LedgerCounters>,
    clock: Arc<dyn Clock>,
    store: Store,
    limits: LedgerLimits,
    /// Names postings that have no reference, so that one whose commit was cut off can be tried again.
    run: i64,
    unnamed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Starts the writer on a migrated store. The task ends when `shutdown` is cancelled and everything that was queued
    /// is written; if it ends otherwise it has crashed, and the process must stop.
    pub async fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        limits: LedgerLimits,
        shutdown: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let run = store.count_run().await?;
        let (queue, commands) = mpsc::channel(limits.queue);
        let ledger = Self {
            queue,
            inbox: Arc::new(Inbox {
                opened: Mutex::default(),
                epoch: AtomicI64::new(0),
                attempts: Mutex::new(AttemptBook::new(&limits)),
                filled: Notify::new(),
                fenced: Notify::new(),
            }),
            counters: Arc::default(),
            clock: Arc::clone(&clock),
            store: store.clone(),
            limits,
            run,
            unnamed: Arc::default(),
        };
        let (inbox, counters) = (Arc::clone(&ledger.inbox), Arc::clone(&ledger.counters));
        let writer = Writer::new(store, clock, limits, inbox, counters, run);
        let task = tokio::spawn(writer.run(commands, shutdown));
        Ok((ledger, task))
    }

    /// Settles a call: on return its CDR and charges are durable. A call that was settled before changes nothing and
    /// answers with the first CDR's id.
    pub async fn settle(&self, mut settlement: Settlement) -> Result<Settled, LedgerError> {
        text::clean_settlement(&mut settlement);
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Settle(Box::new(settlement), answer), answered).await
    }

    /// Ends what a call holds without a CDR: it was never dialled. A call that holds nothing does not matter.
    pub async fn void(&self, mut key: CallKey) -> Result<(), LedgerError> {
        text::clean_key(&mut key);
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Void(key, answer), answered).await
    }

    /// Writes a posting, once if it has a reference.
    pub async fn post(&self, mut posting: Posting) -> Result<Posted, LedgerError> {
        if posting.reference.is_none() {
            let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
            posting.reference = Some(Reference { scope: -self.run, text: number.to_string() });
        }
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Post(Box::new(posting), answer), answered).await
    }

    /// Writes openings of calls under this epoch from now on. An opening holds credit: one of an epoch that is over is not
    /// written, see [`Ledger::fenced`].
    pub fn fence_openings(&self, epoch: i64) {
        self.inbox.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Returns when an opening was not written because its epoch is over: another process owns.
    pub async fn fenced(&self) {
        self.inbox.fenced.notified().await;
    }

    /// Journals a granted call, soon. The journal has it before its settlement, whenever that comes.
    pub fn open_call(&self, mut call: OpenCall) {
        text::clean_key(&mut call.key);
        let mut opened = lock(&self.inbox.opened);
        if opened.len() >= self.limits.opened {
            drop(opened);
            LedgerCounters::add(&self.counters.openings_dropped, 1);
            return;
        }
        opened.push(call);
        drop(opened);
        self.inbox.filled.notify_one();
    }

    /// Records a refused call, or counts it when its source has had enough CDRs this minute.
    pub fn attempt(&self, mut attempt: RefusedAttempt) {
        text::clean_attempt(&mut attempt);
        let minute = self.clock.now().as_second().div_euclid(60);
        lock(&self.inbox.attempts).add(attempt, minute);
    }

    /// Returns when everything that was handed over before is durable, refusals and openings included.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Flush(answer), answered).await
    }

    /// An account's balance as the book has it.
    pub async fn balance(&self, account_id: i64, currency: &str) -> Result<Balance, StoreError> {
        self.store.balance(account_id, currency).await
    }

    /// What it has counted.
    pub fn counters(&self) -> &LedgerCounters {
        &self.counters
    }

    /// Commands that wait to be written.
    pub fn queued(&self) -> usize {
        self.limits.queue.saturating_sub(self.queue.capacity())
    }

    async fn ask<T>(
        &self,
        command: Command,
        answered: oneshot::Receiver<Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        self.queue.send(command).await.map_err(|_| LedgerError::Stopped)?;
        answered.await.map_err(|_| LedgerError::Stopped)?
    }
}

impl SettlementSink for Ledger {
    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Taken, LedgerError>> {
        Box::pin(async { self.settle(settlement).await.map(Taken::Booked) })
    }
}

/// Every holder leaves the data whole between two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
