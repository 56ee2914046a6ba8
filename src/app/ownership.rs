//! Who owns the wallets: one process at a time, under a lease that it renews.
//!
//! The database decides who owns (an epoch that grows); the lease only says how long to trust that without asking.
//! A process that cannot renew stops admitting calls when its lease ends, before anybody else may take over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::{Store, StoreError, within};

/// How long an ownership lasts unless renewed.
pub const LEASE: SignedDuration = SignedDuration::from_secs(6);
/// How often it is renewed: several tries fit into a lease.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long one renewal may take.
const RENEW_PATIENCE: Duration = Duration::from_secs(3);
/// A lease is not trusted to its last moment: writing and clocks take time.
const MARGIN_MS: u64 = 500;

/// The ownership of this process.
#[derive(Debug, Default)]
pub struct Ownership {
    epoch: AtomicI64,
    trusted_until_ms: AtomicU64,
}

/// What ended the renewal.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipLost {
    /// Another process owns the wallets.
    #[error("another process took the ownership (epoch {epoch} is over)")]
    Taken {
        /// The epoch that is over.
        epoch: i64,
    },
}

impl Ownership {
    /// Notes an ownership taken just now, at `asked_at_ms` by the monotonic clock.
    pub fn granted(&self, epoch: i64, asked_at_ms: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(0);
        self.trusted_until_ms
            .store(asked_at_ms.saturating_add(lease_ms).saturating_sub(MARGIN_MS), Ordering::SeqCst);
    }

    /// The epoch of this process; 0 before it owns.
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Whether the lease still holds at `now_ms` by the monotonic clock.
    pub fn is_trusted(&self, now_ms: u64) -> bool {
        now_ms < self.trusted_until_ms.load(Ordering::Relaxed)
    }
}

/// Renews until `shutdown`, or until another process owns.
pub async fn keep(
    store: Store,
    clock: Arc<dyn Clock>,
    ownership: Arc<Ownership>,
    shutdown: CancellationToken,
) -> Result<(), OwnershipLost> {
    let mut away = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        let epoch = ownership.epoch();
        let asked_at = clock.monotonic_ms();
        match within(RENEW_PATIENCE, store.renew_ownership(epoch, clock.now(), LEASE)).await {
            Ok(()) => {
                if away {
                    tracing::info!(owner.epoch = epoch, "the database is back, the ownership was renewed");
                }
                away = false;
                ownership.granted(epoch, asked_at);
            }
            Err(StoreError::StaleEpoch { .. }) => return Err(OwnershipLost::Taken { epoch }),
            Err(error) => {
                if !away {
                    tracing::warn!(owner.epoch = epoch, %error, "the ownership could not be renewed");
                }
                away = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_trusted_a_little_less_than_it_lasts() {
        let ownership = Ownership::default();
        assert!(!ownership.is_trusted(0));
        ownership.granted(3, 1_000);
        assert_eq!(ownership.epoch(), 3);
        assert!(ownership.is_trusted(6_499));
        assert!(!ownership.is_trusted(6_500));
    }
}
