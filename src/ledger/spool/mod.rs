//! Settlements that the ledger could not accept on arrival, kept on this machine until it can.
//!
//! The [`Spool`] is in front of the [`Ledger`]. While the ledger answers, the spool passes everything on. When the
//! ledger does not accept a settlement within [`BOOK_PATIENCE`], the settlement is appended to a file, synchronised
//! together with others that wait, and reported to its caller as durable. Later settlements queue behind it. Draining
//! starts with the oldest record, and the file is emptied when the ledger has everything.
//!
//! The ledger alone decides which records it already has: a record that is written and not yet removed here, or whose
//! commit outcome is in doubt, is submitted again and changes nothing.
//!
//! | event | result |
//! |---|---|
//! | the file or its disk is full | the ledger is tried once more, then the caller gets an error: Asterisk keeps the
//! call's end |
//! | the process or the power fails during a write | that end of the file was acknowledged to no caller and is cut at
//! the next start |
//! | the ledger refuses a record | it is moved to a second file, counted and logged, and the rest continues |

mod counters;
mod error;
pub(crate) mod frames;
mod inspect;
mod keeper;

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use self::keeper::{Command, Keeper, KeptEnd, Keys, MAX_BYTES};
use super::{error::LedgerError, handle::Ledger, inbox::lock, text};
use crate::store::{
    batch::Settled,
    cdr::{CallKey, Settlement},
};

pub use self::{
    counters::SpoolCounters,
    error::SpoolError,
    frames::Kept,
    inspect::{Look, left_in, look},
};

/// How long to wait for the ledger before a settlement is kept here: Asterisk, and a proxy before it, wait for three
/// seconds.
pub const BOOK_PATIENCE: Duration = Duration::from_millis(1_500);
/// Number of records written to the ledger at once when the spool is drained.
const DRAIN: usize = 256;
/// Maximum records waiting to be added; further callers wait.
const QUEUE: usize = 8_192;

/// The place where a settlement is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// In the ledger.
    Booked(Settled),
    /// In the spool: it has no CDR yet, and a later write decides if the call had already been settled.
    Spooled {
        /// True if the spool already had this call's end; nothing was added.
        again: bool,
    },
}

/// A record that the ledger accepted.
#[derive(Debug)]
pub struct Written {
    /// The settlement written.
    pub settlement: Settlement,
    /// The ledger's result.
    pub settled: Settled,
}

/// The spool's file, once open.
struct Open {
    commands: mpsc::Sender<Command>,
    keys: Arc<Keys>,
}

/// A handle to the spool in front of a ledger. Cloning is cheap.
///
/// Until it is [opened](Spool::open) it keeps nothing: a process that serves no calls passes everything on.
#[derive(Clone)]
pub struct Spool {
    ledger: Ledger,
    open: Arc<OnceLock<Open>>,
    counters: Arc<SpoolCounters>,
    /// Notified when a record was added.
    filled: Arc<Notify>,
    /// True while the last request to the database went unanswered.
    away: Arc<AtomicBool>,
    /// True while the last record could not be kept: logged once.
    failing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Spool {
    /// Creates a closed spool in front of this ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            open: Arc::default(),
            counters: Arc::default(),
            filled: Arc::default(),
            away: Arc::default(),
            failing: Arc::default(),
        }
    }

    /// Opens the folder for the ledger of this name, creating it if needed. Records left by an earlier process wait to
    /// be [written](Spool::write_next).
    pub async fn open(&self, dir: &Path, book: &str) -> Result<(), SpoolError> {
        self.open_with(dir, book, MAX_BYTES).await
    }

    /// Like [`Spool::open`], with a maximum file size of `most` bytes.
    pub async fn open_with(&self, dir: &Path, book: &str, most: u64) -> Result<(), SpoolError> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let keys = Arc::<Keys>::default();
        let opened = {
            let (dir, book) = (dir.to_owned(), book.to_owned());
            let (keys, counters) = (Arc::clone(&keys), Arc::clone(&self.counters));
            tokio::task::spawn_blocking(move || Keeper::open(&dir, &book, most, keys, counters)).await
        };
        let keeper = opened.map_err(|_| SpoolError::Closed)??;
        let name = "tollgate-spool".to_owned();
        let thread = std::thread::Builder::new().name(name).spawn(move || keeper.run(queue));
        thread.map_err(|source| SpoolError::Io { path: dir.to_owned(), source: Arc::new(source) })?;
        let _ = self.open.set(Open { commands, keys });
        self.filled.notify_one();
        Ok(())
    }

    /// Returns the gauges and counters.
    pub fn counters(&self) -> &SpoolCounters {
        &self.counters
    }

    /// Reports whether the spool keeps the end of a call, from the settlement with its ticket: `granted_at` is in
    /// microseconds since the epoch.
    pub fn holds(&self, key: &CallKey, granted_at: i64) -> bool {
        self.open.get().is_some_and(|open| {
            let mut key = key.clone();
            text::clean_key(&mut key);
            lock(&open.keys).contains(&KeptEnd { key, granted_at: Some(granted_at) })
        })
    }

    /// Reports whether the last request to the database went unanswered and records wait for it.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) && self.waits()
    }

    fn waits(&self) -> bool {
        self.counters.records.load(Ordering::Acquire) > 0
    }

    /// Returns when a record waits to be written.
    pub async fn filled(&self) {
        while !self.waits() {
            self.filled.notified().await;
        }
    }

    /// Settles a call: on return it is durable, in the ledger or here.
    pub async fn settle(&self, mut settlement: Settlement) -> Result<Taken, LedgerError> {
        let Some(open) = self.open.get() else {
            return self.ledger.settle(settlement).await.map(Taken::Booked);
        };
        text::clean_settlement(&mut settlement);
        // A settlement without the ticket does not displace one with it: the latter replaces it.
        if lock(&open.keys).contains(&KeptEnd::of(&settlement)) {
            return Ok(Taken::Spooled { again: true });
        }
        let asked = !self.waits();
        if asked && let Some(answer) = self.ask(self.ledger.settle(settlement.clone())).await {
            match answer {
                // The call took place: its end is kept here, and moved to the refused file if the ledger refuses it
                // again.
                Err(LedgerError::Refused(error)) => {
                    tracing::error!(%error, call = ?settlement.key, "the book refuses the end of a call");
                }
                answer => return answer.map(Taken::Booked),
            }
        }
        let error = match self.keep(Kept::Settled(Box::new(settlement.clone()))).await {
            Ok(()) => return Ok(Taken::Spooled { again: false }),
            Err(error) => error,
        };
        // Durability matters more than order.
        if !asked && let Some(answer) = self.ask(self.ledger.settle(settlement)).await {
            return answer.map(Taken::Booked);
        }
        Err(LedgerError::Spool(error))
    }

    /// Releases the holds of a call without a CDR.
    pub async fn void(&self, key: CallKey) -> Result<(), LedgerError> {
        if self.open.get().is_none() {
            return self.ledger.void(key).await;
        }
        if !self.waits()
            && let Some(answer) = self.ask(self.ledger.void(key.clone())).await
        {
            return answer;
        }
        self.keep(Kept::Voided(key)).await.map_err(LedgerError::Spool)
    }

    /// Returns the ledger's answer, or `None` if it is unavailable or too slow; it may still write the row afterwards.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, LedgerError>>,
    ) -> Option<Result<T, LedgerError>> {
        match timeout(BOOK_PATIENCE, answer).await {
            Ok(Err(LedgerError::Unavailable(_))) => {
                self.away.store(true, Ordering::Relaxed);
                None
            }
            Ok(answer) => {
                self.away.store(false, Ordering::Relaxed);
                Some(answer)
            }
            Err(_) => None,
        }
    }

    async fn keep(&self, kept: Kept) -> Result<(), SpoolError> {
        let was_empty = !self.waits();
        let (answer, answered) = oneshot::channel();
        let done = self.tell(Command::Keep(kept, answer), answered).await;
        match &done {
            Ok(()) => {
                self.failing.store(false, Ordering::Relaxed);
                if was_empty {
                    tracing::warn!("the book does not answer: settlements are kept in the spool");
                }
                self.filled.notify_one();
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                self.complain(error, "neither the book nor the spool takes settlements; Asterisk keeps them");
            }
        }
        done
    }

    /// Logs once that the file has a problem, until a record is kept in it again.
    fn complain(&self, error: &SpoolError, what: &'static str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "{what}");
        }
    }

    /// Writes the oldest records to the ledger and removes them here; returns none when none wait. For a record
    /// submitted twice it returns the ledger's final result.
    pub async fn write_next(&self) -> Result<Vec<Written>, LedgerError> {
        if !self.waits() {
            return Ok(Vec::new());
        }
        // A database that was unavailable is tried with a single record.
        let most = if self.away.load(Ordering::Relaxed) { 1 } else { DRAIN };
        let cannot = |error| {
            self.complain(&error, "the spool cannot be drained; what is in it stays there");
            LedgerError::Spool(error)
        };
        let (answer, answered) = oneshot::channel();
        let kept = self.tell(Command::First(most, answer), answered).await.map_err(cannot)?;
        let answers = join_all(kept.iter().map(|kept| self.write(kept))).await;
        let (mut count, mut refused, mut written, mut failed) = (0, Vec::new(), Vec::new(), None);
        for (kept, answer) in kept.into_iter().zip(answers) {
            match (answer, kept) {
                (Ok(Some(settled)), Kept::Settled(settlement)) => {
                    written.push(Written { settlement: *settlement, settled });
                }
                (Ok(_), _) => {}
                (Err(LedgerError::Refused(error)), kept) => {
                    tracing::error!(%error, spool.record = ?kept.key(), "the book refuses what was kept for it");
                    refused.push(count);
                }
                // Later records may already be written: they are submitted again, and the ledger recognises them.
                (Err(error), _) => {
                    failed = Some(error);
                    break;
                }
            }
            count += 1;
        }
        self.away.store(matches!(failed, Some(LedgerError::Unavailable(_))), Ordering::Relaxed);
        if count > 0 {
            let (answer, answered) = oneshot::channel();
            self.tell(Command::Done(count, refused, answer), answered).await.map_err(cannot)?;
            if !self.waits() {
                tracing::info!("the book has everything that was kept in the spool");
            }
        }
        match failed {
            Some(error) if written.is_empty() => Err(error),
            _ => Ok(written),
        }
    }

    async fn write(&self, kept: &Kept) -> Result<Option<Settled>, LedgerError> {
        match kept {
            Kept::Settled(settlement) => self.ledger.settle((**settlement).clone()).await.map(Some),
            Kept::Voided(key) => self.ledger.void(key.clone()).await.map(|()| None),
        }
    }

    /// Closes the files. Their records wait for the next process; nothing can be kept afterwards.
    pub async fn close(&self) {
        let Some(open) = self.open.get() else { return };
        let (answer, answered) = oneshot::channel();
        if open.commands.send(Command::Close(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    async fn tell<T>(
        &self,
        command: Command,
        answered: oneshot::Receiver<Result<T, SpoolError>>,
    ) -> Result<T, SpoolError> {
        let open = self.open.get().ok_or(SpoolError::Closed)?;
        open.commands.send(command).await.map_err(|_| SpoolError::Closed)?;
        answered.await.map_err(|_| SpoolError::Closed)?
    }
}
