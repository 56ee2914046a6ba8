//! The single writer task: collects the queue, commits it together, notifies every caller.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    attempts::TakenAttempts,
    counters::LedgerCounters,
    error::LedgerError,
    inbox::{Command, Inbox, lock},
    limits::LedgerLimits,
};
use crate::{
    clock::Clock,
    store::{
        Store, StoreError,
        attempts::RefusalCount,
        batch::{Batch, BatchName, Settled, Written},
        cdr::{CallKey, RefusedAttempt, Settlement},
        open_calls::OpenCall,
        posting::{Fence, Posted, Posting},
        within,
    },
};

/// First wait before an unavailable database is retried; it doubles up to the last: calls wait for the database's
/// return.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_millis(250);
/// Time limit of one attempt at a batch: a server that vanished silently never answers.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of housekeeping, which occupies the only writer.
const HOUSE_PATIENCE: Duration = Duration::from_secs(30);
/// Interval in milliseconds at which partitions for the coming months are created.
const PARTITIONS_EVERY_MS: u64 = 6 * 60 * 60 * 1_000;

/// A row to write, and the channel for its result.
enum Item {
    Opened(OpenCall),
    Settle(Box<Settlement>, oneshot::Sender<Result<Settled, LedgerError>>),
    Void(CallKey, oneshot::Sender<Result<(), LedgerError>>),
    Post(Box<Posting>, oneshot::Sender<Result<Posted, LedgerError>>),
    Refused(Box<RefusedAttempt>),
    Count(RefusalCount),
}

pub(super) struct Writer {
    store: Store,
    clock: Arc<dyn Clock>,
    limits: LedgerLimits,
    inbox: Arc<Inbox>,
    counters: Arc<LedgerCounters>,
    /// Name of the batch being written.
    name: BatchName,
    entries_since_checkpoint: usize,
    partitions_at_ms: u64,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        limits: LedgerLimits,
        inbox: Arc<Inbox>,
        counters: Arc<LedgerCounters>,
        run: i64,
    ) -> Self {
        let partitions_at_ms = clock.monotonic_ms().saturating_add(PARTITIONS_EVERY_MS);
        Self {
            store,
            clock,
            limits,
            inbox,
            counters,
            name: BatchName { run, batch: 0 },
            entries_since_checkpoint: 0,
            partitions_at_ms,
        }
    }

    /// Writes until the shutdown, then writes what is still queued.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Command>, shutdown: CancellationToken) {
        let mut commands = Vec::with_capacity(self.limits.batch);
        loop {
            let ended = tokio::select! {
                received = queue.recv_many(&mut commands, self.limits.batch) => received == 0,
                () = self.openings() => false,
                () = sleep(self.limits.idle_flush) => false,
                () = shutdown.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    false
                }
            };
            self.write(mem::take(&mut commands)).await;
            if ended {
                return;
            }
            self.keep_house().await;
        }
    }

    /// Returns when calls were opened and the gathering time has passed. Safe to cancel at any point: every write
    /// collects the whole inbox.
    async fn openings(&self) {
        self.inbox.filled.notified().await;
        sleep(self.limits.gather).await;
    }

    /// Writes commands and the contents of the inbox in as few transactions as the database allows.
    async fn write(&mut self, commands: Vec<Command>) {
        let mut flushed = Vec::new();
        let mut items = Vec::with_capacity(commands.len());
        for command in commands {
            match command {
                Command::Settle(settlement, answer) => items.push(Item::Settle(settlement, answer)),
                Command::Void(key, answer) => items.push(Item::Void(key, answer)),
                Command::Post(posting, answer) => items.push(Item::Post(posting, answer)),
                Command::Flush(answer) => flushed.push(answer),
            }
        }
        // Collected after the commands: a call's opening was queued here before its settlement.
        let mut load: Vec<Item> = self.take_opened().into_iter().map(Item::Opened).collect();
        load.append(&mut items);
        let taken = lock(&self.inbox.attempts).take();
        load.extend(taken.recorded.into_iter().map(|attempt| Item::Refused(Box::new(attempt))));
        load.extend(taken.counted.into_iter().map(Item::Count));
        let result = if load.is_empty() { Ok(()) } else { self.write_load(load).await };
        for answer in flushed {
            // The caller may have gone.
            let _ = answer.send(result.clone());
        }
    }

    /// Collects the calls opened since the last time, the latest record of each.
    fn take_opened(&self) -> Vec<OpenCall> {
        let opened = mem::take(&mut *lock(&self.inbox.opened));
        let mut place = HashMap::with_capacity(opened.len());
        let mut latest: Vec<OpenCall> = Vec::with_capacity(opened.len());
        for call in opened {
            if let Some(&at) = place.get(&call.key) {
                latest[at] = call;
            } else {
                place.insert(call.key.clone(), latest.len());
                latest.push(call);
            }
        }
        latest
    }

    /// Writes a batch whole, or in halves down to the row that the database refuses.
    async fn write_load(&mut self, load: Vec<Item>) -> Result<(), LedgerError> {
        self.name.batch += 1;
        let mut waiting = vec![load];
        while let Some(mut load) = waiting.pop() {
            match self.try_write(&load).await {
                Ok(written) => self.acknowledge(load, written),
                Err(error) if error.is_unavailable() => {
                    let error = LedgerError::Unavailable(Arc::new(error));
                    LedgerCounters::add(&self.counters.unavailable, 1);
                    let rows = load.len() + waiting.iter().map(Vec::len).sum::<usize>();
                    tracing::error!(rows, %error, "the ledger could not write");
                    waiting.push(load);
                    waiting.into_iter().rev().for_each(|load| self.give_up(load, &error));
                    return Err(error);
                }
                Err(error) if load.len() == 1 => self.refuse(load, error),
                Err(_) => {
                    let second = load.split_off(load.len() / 2);
                    waiting.push(second);
                    waiting.push(load);
                }
            }
        }
        Ok(())
    }

    /// Retries until the batch is written or refused, or the patience has elapsed.
    async fn try_write(&self, load: &[Item]) -> Result<Written, StoreError> {
        let fence = match self.inbox.epoch.load(Ordering::SeqCst) {
            0 => Fence::Fact,
            epoch => Fence::Owner { epoch },
        };
        let batch = BatchParts::of(load, self.name, fence);
        let (mut wait, began) = (FIRST_RETRY, Instant::now());
        loop {
            let batch = batch.batch();
            let written = match timeout(TRY_TIMEOUT, self.store.write_batch(&batch, self.clock.now())).await {
                Ok(written) => written,
                Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
            };
            match written {
                Err(error) if error.is_unavailable() && began.elapsed() < self.limits.patience => {
                    tracing::warn!(%error, retry_ms = wait.as_millis(), "the database is unavailable");
                    sleep(wait).await;
                    wait = (wait * 2).min(LAST_RETRY);
                }
                written => return written,
            }
        }
    }

    fn acknowledge(&mut self, load: Vec<Item>, written: Written) {
        let counters = &self.counters;
        self.entries_since_checkpoint += written.entries;
        if written.fenced {
            let openings = load.iter().filter(|item| matches!(item, Item::Opened(_))).count();
            LedgerCounters::add(&counters.openings_dropped, openings);
            tracing::error!(openings, "calls were granted after another process took the ownership");
            self.inbox.fenced.notify_one();
        }
        LedgerCounters::add(&counters.batches, 1);
        let (mut settled, mut posted) = (written.settled.into_iter(), written.posted.into_iter());
        for item in load {
            match item {
                Item::Settle(_, answer) => {
                    if let Some(settled) = settled.next() {
                        let counter =
                            if settled.duplicate { &counters.duplicates } else { &counters.settled };
                        LedgerCounters::add(counter, 1);
                        let _ = answer.send(Ok(settled));
                    }
                }
                Item::Post(_, answer) => {
                    if let Some(posted) = posted.next() {
                        LedgerCounters::add(&counters.posted, usize::from(posted.is_ok()));
                        let _ = answer.send(posted.map_err(LedgerError::from));
                    }
                }
                Item::Void(_, answer) => {
                    let _ = answer.send(Ok(()));
                }
                Item::Refused(_) => LedgerCounters::add(&counters.attempts_recorded, 1),
                Item::Count(counted) => {
                    LedgerCounters::add(
                        &counters.attempts_counted,
                        usize::try_from(counted.count).unwrap_or(0),
                    );
                }
                Item::Opened(_) => {}
            }
        }
    }

    /// Reports that the database refused this row; all other rows are written.
    fn refuse(&self, load: Vec<Item>, error: StoreError) {
        LedgerCounters::add(&self.counters.refused_rows, 1);
        let error = LedgerError::Refused(Arc::new(error));
        for item in load {
            let row = match item {
                Item::Settle(settlement, answer) => {
                    let _ = answer.send(Err(error.clone()));
                    format!("settlement of {:?}", settlement.key)
                }
                Item::Void(key, answer) => {
                    let _ = answer.send(Err(error.clone()));
                    format!("void of {key:?}")
                }
                Item::Post(posting, answer) => {
                    let _ = answer.send(Err(error.clone()));
                    format!("posting of kind {:?}", posting.kind)
                }
                Item::Opened(call) => format!("opening of {:?}", call.key),
                Item::Refused(attempt) => format!("refused attempt {:?}", attempt.key),
                Item::Count(counted) => format!("refusals of {:?}", counted.source),
            };
            tracing::error!(row, %error, "the database refused a row");
        }
    }

    /// Reports the unavailable database to callers and keeps rows without a waiting caller for the next batch.
    fn give_up(&self, load: Vec<Item>, error: &LedgerError) {
        let mut kept = TakenAttempts::default();
        // A call that ended in this batch, or in an earlier one of unknown outcome, must not be journalled afterwards.
        let over: HashSet<CallKey> = load
            .iter()
            .filter_map(|item| match item {
                Item::Settle(settlement, _) => Some(settlement.key.clone()),
                Item::Void(key, _) => Some(key.clone()),
                _ => None,
            })
            .collect();
        let mut opened = Vec::new();
        for item in load {
            match item {
                Item::Settle(_, answer) => drop(answer.send(Err(error.clone()))),
                Item::Void(_, answer) => drop(answer.send(Err(error.clone()))),
                Item::Post(_, answer) => drop(answer.send(Err(error.clone()))),
                Item::Opened(call) if over.contains(&call.key) => {}
                Item::Opened(call) => opened.push(call),
                Item::Refused(attempt) => kept.recorded.push(*attempt),
                Item::Count(counted) => kept.counted.push(counted),
            }
        }
        self.keep_opened(opened);
        if !kept.is_empty() {
            lock(&self.inbox.attempts).give_back(kept);
        }
    }

    /// Puts openings back before those queued meanwhile, unless these have a newer record of the same call. During a
    /// long outage with calls being admitted this repeats with all of them.
    fn keep_opened(&self, mut calls: Vec<OpenCall>) {
        let mut opened = lock(&self.inbox.opened);
        let newer: HashSet<&CallKey> = opened.iter().map(|call| &call.key).collect();
        calls.retain(|call| !newer.contains(&call.key));
        let room = self.limits.opened.saturating_sub(opened.len());
        LedgerCounters::add(&self.counters.openings_dropped, calls.len().saturating_sub(room));
        calls.truncate(room);
        calls.append(&mut opened);
        *opened = calls;
    }

    /// Writes checkpoints and creates partitions: neither may fail a caller, and both are retried.
    async fn keep_house(&mut self) {
        if self.entries_since_checkpoint >= self.limits.checkpoint_entries {
            self.entries_since_checkpoint = 0;
            if let Err(error) = within(HOUSE_PATIENCE, self.store.write_checkpoint(self.clock.now())).await {
                tracing::warn!(%error, "no checkpoint was written");
            }
        }
        let now_ms = self.clock.monotonic_ms();
        if now_ms >= self.partitions_at_ms {
            self.partitions_at_ms = now_ms.saturating_add(PARTITIONS_EVERY_MS);
            if let Err(error) = within(HOUSE_PATIENCE, self.store.make_partitions(self.clock.now())).await {
                tracing::warn!(%error, "the months ahead have no partitions yet");
            }
        }
    }
}

/// A batch sorted for the store. Rows without a waiting caller are copied, so that they can be kept on failure.
#[derive(Default)]
struct BatchParts<'a> {
    name: BatchName,
    fence: Fence,
    settlements: Vec<&'a Settlement>,
    opened: Vec<OpenCall>,
    voided: Vec<&'a CallKey>,
    refused: Vec<RefusedAttempt>,
    counts: Vec<RefusalCount>,
    postings: Vec<&'a Posting>,
}

impl<'a> BatchParts<'a> {
    fn of(load: &'a [Item], name: BatchName, fence: Fence) -> Self {
        let mut parts = Self { name, fence, ..Self::default() };
        for item in load {
            match item {
                Item::Opened(call) => parts.opened.push(call.clone()),
                Item::Settle(settlement, _) => parts.settlements.push(settlement),
                Item::Void(key, _) => parts.voided.push(key),
                Item::Post(posting, _) => parts.postings.push(posting),
                Item::Refused(attempt) => parts.refused.push(RefusedAttempt::clone(attempt)),
                Item::Count(counted) => parts.counts.push(counted.clone()),
            }
        }
        parts
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            name: self.name,
            settlements: self.settlements.clone(),
            opened: &self.opened,
            opened_under: self.fence,
            voided: self.voided.clone(),
            refused: &self.refused,
            counts: &self.counts,
            postings: self.postings.clone(),
        }
    }
}
