//! Settlements that the book could not take when they came, kept on this machine until it can.
//!
//! The [`Spool`] stands before the [`Ledger`]. While the book answers it is not there. When the book does not take a
//! settlement within [`BOOK_PATIENCE`], the settlement is added to a file, synchronised together with others that
//! wait, and its caller is told that it is durable. Whatever comes while something waits goes behind it. Drained, the
//! oldest goes first, and the file is emptied when the book has everything.
//!
//! The book alone decides what is there already: a record that is written and not yet forgotten here, or one whose
//! commit's answer was lost, is told to it again and changes nothing.
//!
//! | what | then |
//! |---|---|
//! | the file is full, or its disk is | the book is asked once more, then the caller gets an error: Asterisk keeps the call's end |
//! | the process or the power ends in a write | that end of the file was acknowledged to nobody and is cut at the next start |
//! | the book refuses a record | it goes to a file beside, is counted and logged, and the rest goes on |

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

/// How long the book is waited for before a settlement is kept here: Asterisk, and a proxy before it, wait for three
/// seconds.
pub const BOOK_PATIENCE: Duration = Duration::from_millis(1_500);
/// Records written to the book at once when the spool is drained.
const DRAIN: usize = 256;
/// Records that wait to be added; more callers wait outside.
const QUEUE: usize = 8_192;

/// The place where a settlement is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// In the ledger.
    Booked(Settled),
    /// In the spool: it has no CDR yet, and whether the call had been settled before is still to be decided.
    Spooled {
        /// Whether the spool had this call's end already; nothing was added.
        again: bool,
    },
}

/// A record that the book has taken.
#[derive(Debug)]
pub struct Written {
    /// What was written.
    pub settlement: Settlement,
    /// What the book made of it.
    pub settled: Settled,
}

/// The spool's file, once it is open.
struct Open {
    commands: mpsc::Sender<Command>,
    keys: Arc<Keys>,
}

/// A handle to the spool before a ledger. Cloning is cheap.
///
/// Until it is [opened](Spool::open) it keeps nothing: a process that serves no calls passes everything on.
#[derive(Clone)]
pub struct Spool {
    ledger: Ledger,
    open: Arc<OnceLock<Open>>,
    counters: Arc<SpoolCounters>,
    /// Something was kept.
    filled: Arc<Notify>,
    /// The database did not answer when it was last asked.
    away: Arc<AtomicBool>,
    /// The spool could not keep what it was given last: logged once.
    failing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Spool {
    /// Before this ledger.
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

    /// Opens the folder, made where there is none, of the book of this name. What an earlier process left in it waits
    /// to be [written](Spool::write_next).
    pub async fn open(&self, dir: &Path, book: &str) -> Result<(), SpoolError> {
        self.open_with(dir, book, MAX_BYTES).await
    }

    /// As [`Spool::open`], with at most so many bytes in the file.
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

    /// What it holds and has counted.
    pub fn counters(&self) -> &SpoolCounters {
        &self.counters
    }

    /// Whether the end of a call is kept here, as the settlement with its ticket has it: `granted_at` in microseconds
    /// since the epoch.
    pub fn holds(&self, key: &CallKey, granted_at: i64) -> bool {
        self.open.get().is_some_and(|open| {
            let mut key = key.clone();
            text::clean_key(&mut key);
            lock(&open.keys).contains(&KeptEnd { key, granted_at: Some(granted_at) })
        })
    }

    /// Whether the database did not answer when it was last asked, and something waits for it.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) && self.waits()
    }

    fn waits(&self) -> bool {
        self.counters.records.load(Ordering::Acquire) > 0
    }

    /// Returns when something waits to be written.
    pub async fn filled(&self) {
        while !self.waits() {
            self.filled.notified().await;
        }
    }

    /// Settles a call: on return it is durable, in the book or here.
    pub async fn settle(&self, mut settlement: Settlement) -> Result<Taken, LedgerError> {
        let Some(open) = self.open.get() else {
            return self.ledger.settle(settlement).await.map(Taken::Booked);
        };
        text::clean_settlement(&mut settlement);
        // A settlement without the ticket keeps none with it away: that one replaces it.
        if lock(&open.keys).contains(&KeptEnd::of(&settlement)) {
            return Ok(Taken::Spooled { again: true });
        }
        let asked = !self.waits();
        if asked && let Some(answer) = self.ask(self.ledger.settle(settlement.clone())).await {
            match answer {
                // The call was made: its end is kept here, and put aside when the book refuses it again.
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
        // The order matters less than that it is durable.
        if !asked && let Some(answer) = self.ask(self.ledger.settle(settlement)).await {
            return answer.map(Taken::Booked);
        }
        Err(LedgerError::Spool(error))
    }

    /// Ends what a call holds without a CDR.
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

    /// The book's answer, unless it is away or takes too long; it may then still write what it was asked to.
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

    /// Says once that something is wrong with the file, until a record is kept in it again.
    fn complain(&self, error: &SpoolError, what: &'static str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "{what}");
        }
    }

    /// Writes the oldest records to the book and forgets them here; none when nothing waits. What it returns of a
    /// record that had to be told twice is the book's last word.
    pub async fn write_next(&self) -> Result<Vec<Written>, LedgerError> {
        if !self.waits() {
            return Ok(Vec::new());
        }
        // A database that was away is asked for one.
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
                // Those behind it may be written already: they are told again, and the book knows them.
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

    /// Lets go of the files. What waits in them waits for the next process; nothing can be kept afterwards.
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
