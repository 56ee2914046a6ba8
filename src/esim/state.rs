//! [`Esim`]: the connection to the upstream, the catalogue and the pending work in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard};

use super::catalogue::Snapshot;
use super::due::Due;
use super::upstream::{self, Opened, Upstream, UpstreamError};
use crate::services::Services;
use crate::store::StoreError;

/// The sale of eSIMs.
#[derive(Debug)]
pub struct Esim {
    /// The shared services.
    pub services: Arc<Services>,
    opened: OnceCell<Opened>,
    snapshot: OnceCell<ArcSwap<Snapshot>>,
    /// Orders that are being completed: one caller at a time for each.
    locks: DashMap<i64, Arc<AsyncMutex<()>>>,
    /// Orders of this process that were never submitted to the upstream.
    untried: Mutex<HashSet<i64>>,
    /// Time of the last submission of an order that had no clear answer, in milliseconds of the monotonic clock.
    in_doubt: Mutex<HashMap<i64, u64>>,
    /// Orders that the worker is to look at.
    pub(super) due: Due,
    /// Time at which each order was last refreshed on request.
    pub(super) refreshed: DashMap<i64, tokio::time::Instant>,
    /// Held while the catalogue is read from the upstream.
    pub(super) syncing: AsyncMutex<()>,
}

impl Esim {
    /// The sale of eSIMs over these services; nothing is opened or read yet.
    pub fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            opened: OnceCell::new(),
            snapshot: OnceCell::new(),
            locks: DashMap::new(),
            untried: Mutex::default(),
            in_doubt: Mutex::default(),
            due: Due::default(),
            refreshed: DashMap::new(),
            syncing: AsyncMutex::default(),
        }
    }

    /// The upstream, opened when it is first needed.
    pub async fn upstream(&self) -> Result<&dyn Upstream, UpstreamError> {
        let Services { config, clock, .. } = &*self.services;
        let opened = self.opened.get_or_try_init(|| upstream::open(config, clock)).await?;
        Ok(&*opened.upstream)
    }

    /// Packages and prices in memory; the first call loads them.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        let held = self.snapshot.get_or_try_init(|| async {
            Ok::<_, StoreError>(ArcSwap::from_pointee(Snapshot::load(&self.services.store).await?))
        });
        Ok(held.await?.load_full())
    }

    /// Reads packages and prices from the store again.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let snapshot = Snapshot::load(&self.services.store).await?;
        match self.snapshot.get() {
            Some(held) => held.store(Arc::new(snapshot)),
            // The first call that needs it reads it.
            None => drop(snapshot),
        }
        Ok(())
    }

    /// Locks an order: nothing else changes it until the guard is dropped.
    pub(super) async fn lock_order(&self, order_id: i64) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(&self.locks.entry(order_id).or_default());
        let guard = lock.lock_owned().await;
        // Waiting callers hold the mutex too: an entry that only the map and this guard hold is dropped later.
        self.locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        guard
    }

    pub(super) fn untried(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.untried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn in_doubt(&self) -> MutexGuard<'_, HashMap<i64, u64>> {
        self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
