//! The ownership of the wallets: one process at a time, under a lease that it renews.
//!
//! The database determines the owner (an epoch that grows) and the duration, by its own clock; [`Lease`] determines how
//! long that is trusted without asking. A process that cannot renew stops admitting calls before another one may take
//! over. A write that is refused because its epoch is over makes the process ask at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Moment};
use crate::ledger::Ledger;
use crate::services::lease::{LEASE_MS, Lease};
use crate::store::{Failure, Store, StoreError, within};

/// Duration of an ownership unless renewed.
pub const LEASE: SignedDuration = SignedDuration::from_millis(LEASE_MS as i64);
/// Interval between renewals: several tries fit into a lease.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Delay before a failed renewal is retried.
const RENEW_AGAIN: Duration = Duration::from_millis(250);
/// Maximum duration of one renewal.
const RENEW_PATIENCE: Duration = Duration::from_secs(3);
/// Interval at which the process notes that it runs.
const OBSERVE_EVERY: Duration = Duration::from_millis(250);
/// Time for which renewals may fail, for a reason other than an unreachable database, before the process ends.
const BROKEN_PATIENCE: Duration = Duration::from_secs(6);
/// Time for which the database may seem unreachable before it is tried over a separate connection; also the interval of
/// these tries.
const AWAY_PATIENCE: Duration = Duration::from_secs(30);

/// The ownership of this process.
#[derive(Debug, Default)]
pub struct Ownership {
    epoch: AtomicI64,
    lease: ArcSwap<Lease>,
    doubted: Notify,
}

/// Reasons why a process must stop.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipLost {
    /// Another process owns the wallets.
    #[error("another process took the ownership (epoch {epoch} is over)")]
    Taken {
        /// The epoch that is over.
        epoch: i64,
    },
    /// The lease cannot be renewed although the database answers.
    #[error("the lease could not be renewed for {seconds} s although the database answers: {error}")]
    CannotRenew {
        /// Time since the first failure, in seconds.
        seconds: u64,
        /// The last error.
        error: StoreError,
    },
}

impl Ownership {
    /// Records that the database has granted or confirmed the ownership, in answer to a request sent at `asked`.
    pub fn granted(&self, epoch: i64, asked: Moment) {
        self.epoch.store(epoch, Ordering::SeqCst);
        self.lease.store(Arc::new(Lease::confirmed(asked)));
    }

    /// Returns the epoch of this process; 0 before it owns the wallets.
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Reports whether the lease still holds, by every clock.
    pub fn is_trusted(&self, now: &Moment) -> bool {
        self.lease.load().is_trusted(now)
    }

    /// Reports whether the database became unreachable while the lease held, and the process has run ever since.
    pub fn is_kept_by_outage(&self, now: &Moment) -> bool {
        self.lease.load().is_kept_by_outage(now)
    }

    /// Ends the trust in the ownership until the database has confirmed it, and requests that at once.
    pub fn doubt(&self) {
        self.lease.store(Arc::default());
        self.doubted.notify_one();
    }

    fn change(&self, change: impl Fn(&Lease) -> Lease) {
        self.lease.rcu(|lease| change(lease));
    }
}

/// Renews the lease until `shutdown`, or until the process must stop.
pub async fn keep(
    store: Store,
    clock: Arc<dyn Clock>,
    ownership: Arc<Ownership>,
    ledger: Ledger,
    shutdown: CancellationToken,
) -> Result<(), OwnershipLost> {
    let observing = async {
        loop {
            let now = clock.moment();
            ownership.change(|lease| lease.observed(&now));
            tokio::select! {
                () = ledger.fenced() => ownership.doubt(),
                () = sleep(OBSERVE_EVERY) => {}
            }
        }
    };
    let mut renewal = Renewal { store: &store, clock: &*clock, ownership: &ownership, trouble: None };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = observing => Ok(()),
        lost = renewal.repeat() => Err(lost),
    }
}

/// Consecutive failed renewals.
struct Trouble {
    since: Instant,
    /// Start of the failures whose cause is not an unreachable database.
    broken_since: Option<Instant>,
    /// Time of the last try over a separate connection.
    tried_apart: Instant,
}

struct Renewal<'a> {
    store: &'a Store,
    clock: &'a dyn Clock,
    ownership: &'a Ownership,
    trouble: Option<Trouble>,
}

impl Renewal<'_> {
    async fn repeat(&mut self) -> OwnershipLost {
        loop {
            let pause = if self.trouble.is_some() { RENEW_AGAIN } else { RENEW_EVERY };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.ownership.doubted.notified() => {}
            }
            if let Err(lost) = self.renew().await {
                return lost;
            }
        }
    }

    async fn renew(&mut self) -> Result<(), OwnershipLost> {
        let epoch = self.ownership.epoch();
        let asked = self.clock.moment();
        match within(RENEW_PATIENCE, self.store.renew_ownership(epoch, LEASE)).await {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    tracing::info!(owner.epoch = epoch, "the ownership was renewed after failures");
                }
                self.ownership.granted(epoch, asked);
                Ok(())
            }
            Err(StoreError::StaleEpoch { .. }) => Err(OwnershipLost::Taken { epoch }),
            Err(error) => self.failed(epoch, error).await,
        }
    }

    async fn failed(&mut self, epoch: i64, error: StoreError) -> Result<(), OwnershipLost> {
        let now = Instant::now();
        let moment = self.clock.moment();
        if error.is_unavailable() {
            self.ownership.change(|lease| lease.unavailable(&moment));
        }
        let trouble = self.trouble.get_or_insert_with(|| {
            tracing::warn!(owner.epoch = epoch, %error, "the ownership could not be renewed");
            Trouble { since: now, broken_since: None, tried_apart: now }
        });
        if error.failure() == Failure::Away {
            trouble.broken_since = None;
        } else {
            let since = *trouble.broken_since.get_or_insert(now);
            if now - since >= BROKEN_PATIENCE {
                return Err(OwnershipLost::CannotRenew { seconds: (now - since).as_secs(), error });
            }
        }
        if now - trouble.tried_apart >= AWAY_PATIENCE {
            trouble.tried_apart = now;
            let seconds = (now - trouble.since).as_secs();
            return self.try_apart(epoch, seconds, error).await;
        }
        Ok(())
    }

    /// Renews over a new connection. If that succeeds while the pool still fails, the fault is in this process.
    async fn try_apart(&self, epoch: i64, seconds: u64, error: StoreError) -> Result<(), OwnershipLost> {
        match within(RENEW_PATIENCE, self.store.renew_ownership_apart(epoch, LEASE)).await {
            Ok(()) => {}
            Err(StoreError::StaleEpoch { .. }) => return Err(OwnershipLost::Taken { epoch }),
            // The database is the cause.
            Err(_) => return Ok(()),
        }
        match within(RENEW_PATIENCE, self.store.renew_ownership(epoch, LEASE)).await {
            // The database is reachable again: the next renewal records it.
            Ok(()) => Ok(()),
            Err(StoreError::StaleEpoch { .. }) => Err(OwnershipLost::Taken { epoch }),
            Err(_) => Err(OwnershipLost::CannotRenew { seconds, error }),
        }
    }
}
