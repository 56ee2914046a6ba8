//! The handle to the writer.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    attempts::AttemptBook,
    counters::LedgerCounters,
    error::LedgerError,
    inbox::{Command, Inbox, lock},
    limits::LedgerLimits,
    text,
    writer::Writer,
};
use crate::{
    clock::Clock,
    store::{
        Store, StoreError,
        balances::Balance,
        batch::Settled,
        cdr::{CallKey, RefusedAttempt, Settlement},
        open_calls::OpenCall,
        posting::{Posted, Posting, Reference},
    },
};

/// A handle to the writer. Cloning is cheap.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Command>,
    inbox: Arc<Inbox>,
    counters: Arc<LedgerCounters>,
    clock: Arc<dyn Clock>,
    store: Store,
    limits: LedgerLimits,
    /// Names postings without a reference, so that one whose commit was interrupted can be retried.
    run: i64,
    unnamed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Starts the writer on a migrated store. The task ends when `shutdown` is cancelled and everything queued is
    /// written; if it ends otherwise it has crashed, and the process must stop.
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

    /// Settles a call: on return its CDR and charges are durable. Settling a call again changes nothing and returns the
    /// first CDR's id.
    pub async fn settle(&self, mut settlement: Settlement) -> Result<Settled, LedgerError> {
        text::clean_settlement(&mut settlement);
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Settle(Box::new(settlement), answer), answered).await
    }

    /// Releases the holds of a call that was never dialled, without a CDR. Does nothing if the call holds nothing.
    pub async fn void(&self, mut key: CallKey) -> Result<(), LedgerError> {
        text::clean_key(&mut key);
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Void(key, answer), answered).await
    }

    /// Writes a posting; a posting with a reference is written once.
    pub async fn post(&self, mut posting: Posting) -> Result<Posted, LedgerError> {
        if posting.reference.is_none() {
            let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
            posting.reference = Some(Reference { scope: -self.run, text: number.to_string() });
        }
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Post(Box::new(posting), answer), answered).await
    }

    /// Writes call openings under this epoch from now on. An opening holds credit: an opening of an earlier epoch is
    /// not written, see [`Ledger::fenced`].
    pub fn fence_openings(&self, epoch: i64) {
        self.inbox.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Returns when an opening was not written because its epoch is over: another process is the owner.
    pub async fn fenced(&self) {
        self.inbox.fenced.notified().await;
    }

    /// Queues a granted call for the journal. The journal has the call before its settlement, whenever that comes.
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

    /// Records a refused call, or only counts it when its source has reached its CDR limit for this minute.
    pub fn attempt(&self, mut attempt: RefusedAttempt) {
        text::clean_attempt(&mut attempt);
        let minute = self.clock.now().as_second().div_euclid(60);
        lock(&self.inbox.attempts).add(attempt, minute);
    }

    /// Returns when everything queued before is durable, refusals and openings included.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Flush(answer), answered).await
    }

    /// Reads an account's balance from the ledger.
    pub async fn balance(&self, account_id: i64, currency: &str) -> Result<Balance, StoreError> {
        self.store.balance(account_id, currency).await
    }

    /// Returns the ledger's counters.
    pub fn counters(&self) -> &LedgerCounters {
        &self.counters
    }

    /// Returns the number of commands waiting to be written.
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
