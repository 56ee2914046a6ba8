//! Password hashing: a fixed number of threads with fixed memory, and a fair queue before them.
//!
//! A hash needs 19 MiB and some ten milliseconds of a core. So each slot has a thread that allocates its blocks once
//! and keeps them, whatever the load. Requests wait in a queue that is served round robin per account and, within one
//! account, per address. Beyond a short queue requests are refused, and requests of a disconnected caller are dropped
//! unhashed.

pub(super) mod params;
mod queue;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::Block;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::queue::{Bounds, FairQueue, Flow, Pushed};
use crate::metrics::Registry;

/// Maximum waiting hashes of one account.
const MAX_QUEUED_PER_ACCOUNT: usize = 32;
/// Maximum waiting hashes of all accounts.
const MAX_QUEUED: usize = 256;
/// Maximum wait for a slot.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Typical duration of a hash in milliseconds, used for `Retry-After` only.
const TYPICAL_HASH_MS: usize = 40;
/// Maximum slots. Up to it half of the machine's cores are used: calls need the others.
const MAX_SLOTS: usize = 4;

/// The hasher of this process.
pub static HASHER: LazyLock<Hasher> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bounds = Bounds { per_owner: MAX_QUEUED_PER_ACCOUNT, total: MAX_QUEUED };
    Hasher::new((cores / 2).clamp(1, MAX_SLOTS), bounds)
});

/// Reasons why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many hashes are waiting.
    #[error("too many passwords wait to be hashed; try again in {retry_after_s} s")]
    Busy {
        /// Seconds until a retry is likely to succeed.
        retry_after_s: u32,
    },
    /// The caller has disconnected.
    #[error("the caller has gone away")]
    Abandoned,
    /// The machine lacks memory or a thread for a hash.
    #[error("the password could not be hashed")]
    Unavailable,
}

/// The requester of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Operator,
    Account(i64),
}

/// The requester of a hash: the queue and its bounds are per requester.
#[derive(Clone, Debug)]
pub struct Caller {
    flow: Flow<Owner>,
    gone: CancellationToken,
}

impl Caller {
    /// The operator's command line.
    pub fn operator() -> Self {
        Self { flow: Flow { owner: Owner::Operator, address: None }, gone: CancellationToken::new() }
    }

    /// The account of a request's API key. Once `gone` is cancelled, its hashes are dropped.
    pub fn account(account_id: i64, gone: CancellationToken) -> Self {
        Self { flow: Flow { owner: Owner::Account(account_id), address: None }, gone }
    }

    /// The same account, for a customer at this address.
    #[must_use]
    pub fn for_address(mut self, address: Option<IpAddr>) -> Self {
        self.flow.address = address;
        self
    }
}

/// Work that gets a slot's memory, or the reason why there is none.
type Work = Box<dyn FnOnce(Result<&mut [Block], HashError>) + Send>;

struct Job {
    work: Work,
    gone: CancellationToken,
    queued_at: Instant,
}

struct Shared {
    queue: Mutex<FairQueue<Owner, Job>>,
    ready: Condvar,
    counters: Counters,
}

/// Counters of a hasher.
#[derive(Debug, Default)]
struct Counters {
    hashed: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    /// Slots with allocated memory: this many times 19 MiB. It never shrinks.
    slots: AtomicUsize,
}

/// The slots and the queue before them.
pub struct Hasher {
    slots: usize,
    /// Number of started threads. They start at the first hash, because most commands need none.
    started: Mutex<usize>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, FairQueue<Owner, Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Job {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.pop() {
                return job;
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Hasher {
    fn new(slots: usize, bounds: Bounds) -> Self {
        let shared = Shared {
            queue: Mutex::new(FairQueue::new(bounds)),
            ready: Condvar::new(),
            counters: Counters::default(),
        };
        Self { slots, started: Mutex::new(0), shared: Arc::new(shared) }
    }

    /// Runs `work` in a slot, in the queue order of the caller.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        if self.start() == 0 {
            return Err(HashError::Unavailable);
        }
        let (answer, answered) = oneshot::channel();
        // Also cancelled when this future is dropped while it waits.
        let gone = caller.gone.child_token();
        let _guard = gone.clone().drop_guard();
        let job = Job {
            work: Box::new(move |slot| {
                // A caller that has disconnected needs no answer.
                let _ = answer.send(slot.map(work));
            }),
            gone: gone.clone(),
            queued_at: Instant::now(),
        };
        let (pushed, waiting) = {
            let mut queue = self.shared.lock();
            let pushed = queue.push(caller.flow, job, |job| job.gone.is_cancelled());
            (pushed, queue.len())
        };
        let refused = match pushed {
            Pushed::Queued => None,
            Pushed::Displaced(job) | Pushed::Refused(job) => Some(job),
        };
        if let Some(job) = refused {
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            (job.work)(Err(HashError::Busy { retry_after_s: self.retry_after_s(waiting) }));
        }
        self.shared.ready.notify_one();
        tokio::select! {
            answered = answered => answered.unwrap_or(Err(HashError::Unavailable)),
            () = gone.cancelled() => Err(HashError::Abandoned),
        }
    }

    fn retry_after_s(&self, waiting: usize) -> u32 {
        u32::try_from(waiting * TYPICAL_HASH_MS / self.slots / 1_000).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Starts the missing threads; returns how many run.
    fn start(&self) -> usize {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        while *started < self.slots {
            let mut blocks = Vec::new();
            if blocks.try_reserve_exact(params::BLOCKS).is_err() {
                tracing::error!(slots = *started, "no memory for another password hashing slot");
                break;
            }
            blocks.resize(params::BLOCKS, Block::new());
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name(format!("hash-{started}"));
            if let Err(error) = thread.spawn(move || hash_in_slot(&shared, &mut blocks)) {
                tracing::error!(%error, slots = *started, "no thread for another password hashing slot");
                break;
            }
            *started += 1;
            self.shared.counters.slots.store(*started, Ordering::Relaxed);
        }
        *started
    }

    /// Registers the metrics of the hasher.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let shared = Arc::clone(&self.shared);
        let help = "Password hashes by outcome";
        registry.counters("tollgate_password_hashes_total", help, ["outcome"], move || {
            let Counters { hashed, refused, abandoned, .. } = &shared.counters;
            [("hashed", hashed), ("refused", refused), ("abandoned", abandoned)]
                .map(|(outcome, count)| ([outcome.to_owned()], count.load(Ordering::Relaxed)))
                .into()
        });
        let shared = Arc::clone(&self.shared);
        let help = "Hashing slots with memory, 19 MiB each";
        registry.gauge("tollgate_password_hash_slots", help, move || {
            shared.counters.slots.load(Ordering::Relaxed) as u64
        });
        let shared = Arc::clone(&self.shared);
        let help = "Password hashes that wait for a slot";
        registry.gauge("tollgate_password_hashes_queued", help, move || shared.lock().len() as u64);
    }
}

/// Hashes queued work until the process ends.
fn hash_in_slot(shared: &Shared, blocks: &mut [Block]) {
    let counters = &shared.counters;
    loop {
        let job = shared.next();
        if job.gone.is_cancelled() {
            counters.abandoned.fetch_add(1, Ordering::Relaxed);
            (job.work)(Err(HashError::Abandoned));
        } else if job.queued_at.elapsed() > MAX_WAIT {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            (job.work)(Err(HashError::Busy { retry_after_s: 1 }));
        } else {
            // Count first, so that a caller with its answer finds it counted.
            counters.hashed.fetch_add(1, Ordering::Relaxed);
            if catch_unwind(AssertUnwindSafe(|| (job.work)(Ok(blocks)))).is_err() {
                tracing::error!("a password hash panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(slots: usize, per_owner: usize, total: usize) -> Arc<Hasher> {
        Arc::new(Hasher::new(slots, Bounds { per_owner, total }))
    }

    fn caller(account_id: i64) -> Caller {
        Caller::account(account_id, CancellationToken::new())
    }

    /// Occupies the only slot until the returned sender is dropped.
    async fn occupied(hasher: &Arc<Hasher>) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (start, started) = oneshot::channel();
        let busy = Arc::clone(hasher);
        tokio::spawn(async move {
            busy.run(&Caller::operator(), move |_| {
                let _ = start.send(());
                let _ = released.recv();
            })
            .await
        });
        started.await.unwrap();
        release
    }

    /// Queues a hash and waits until it is in the queue.
    async fn queued(
        hasher: &Arc<Hasher>,
        caller: Caller,
        order: &Arc<Mutex<Vec<i64>>>,
        mark: i64,
    ) -> tokio::task::JoinHandle<Result<(), HashError>> {
        let before = hasher.shared.lock().len();
        let (waiting, order) = (Arc::clone(hasher), Arc::clone(order));
        let task =
            tokio::spawn(
                async move { waiting.run(&caller, move |_| order.lock().unwrap().push(mark)).await },
            );
        while hasher.shared.lock().len() == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn one_hash_of_an_account_is_done_after_at_most_one_of_two_hundred_of_another() {
        let hasher = hasher(1, 256, 256);
        let release = occupied(&hasher).await;
        let order = Arc::default();
        let mut tasks = Vec::new();
        for _ in 0..200 {
            tasks.push(queued(&hasher, caller(1), &order, 1).await);
        }
        tasks.push(queued(&hasher, caller(2), &order, 2).await);
        drop(release);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 201);
        assert!(order.iter().position(|mark| *mark == 2).unwrap() <= 1, "{order:?}");
    }

    #[tokio::test]
    async fn memory_is_that_of_the_slots_whatever_waits() {
        let hasher = hasher(2, 256, 256);
        let order = Arc::default();
        let mut tasks = Vec::new();
        for account in 0..200 {
            tasks.push(queued(&hasher, caller(account), &order, account).await);
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(*hasher.started.lock().unwrap(), 2);
        let mut registry = Registry::default();
        hasher.register_metrics(&mut registry);
        let text = registry.encode().unwrap();
        assert!(text.contains("tollgate_password_hash_slots 2\n"), "{text}");
        assert!(text.contains("{outcome=\"hashed\"} 200\n"), "{text}");
    }

    #[tokio::test]
    async fn beyond_a_short_queue_an_account_is_refused_and_no_other_one_is() {
        let hasher = hasher(1, 3, 16);
        let release = occupied(&hasher).await;
        let order = Arc::default();
        let mut tasks = Vec::new();
        for _ in 0..3 {
            tasks.push(queued(&hasher, caller(1), &order, 1).await);
        }
        let refused = queued(&hasher, caller(1), &order, 1).await.await.unwrap();
        assert!(matches!(refused, Err(HashError::Busy { retry_after_s: 1.. })), "{refused:?}");
        tasks.push(queued(&hasher, caller(2), &order, 2).await);
        drop(release);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn the_hash_of_a_caller_that_has_gone_away_is_not_made() {
        let hasher = hasher(1, 8, 8);
        let release = occupied(&hasher).await;
        let (order, gone) = (Arc::default(), CancellationToken::new());
        let cancelled = queued(&hasher, Caller::account(1, gone.clone()), &order, 1).await;
        let dropped = queued(&hasher, caller(1), &order, 2).await;
        let stays = queued(&hasher, caller(1), &order, 3).await;
        gone.cancel();
        dropped.abort();
        assert_eq!(cancelled.await.unwrap(), Err(HashError::Abandoned));
        assert!(dropped.await.unwrap_err().is_cancelled());
        drop(release);
        stays.await.unwrap().unwrap();
        assert_eq!(*order.lock().unwrap(), [3]);
    }
}
