//! Data packages for travellers, bought upstream and sold from the same wallets as calls.
//!
//! [`catalogue`] is what can be bought and for how much, [`orders`] a purchase from its hold to its eSIM, [`worker`] what
//! completes purchases and keeps the rest up to date, [`upstream`] the way to who sells to us, [`simulator`] somebody
//! who plays him.

pub(crate) mod answer;
pub mod catalogue;
mod doubt;
pub mod orders;
pub mod price;
pub mod qr;
pub mod simulator;
pub mod upstream;
pub mod webhook;
pub mod wire;
pub mod worker;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::catalogue::{Rates, Snapshot, Synced};
use self::price::Markups;
use self::simulator::{Settings, Simulator};
use self::upstream::{Upstream, UpstreamError};
use crate::clock::Clock;
use crate::config::{Config, EsimKind, Secret};
use crate::services::Services;
use crate::store::{Store, StoreError};

/// Why the catalogue was not read.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// eSIMs are not sold here.
    #[error("esim.kind is off: eSIMs are not sold here")]
    Off,
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It listed nothing at all, which is taken for a fault of its: everything would stop being sold.
    #[error("the upstream lists no package at all; what was known stays")]
    Empty,
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A way to the upstream, and the simulator where it is that.
#[derive(Debug)]
struct Way {
    upstream: Upstream,
    _simulator: Option<DropGuard>,
}

/// What the sale of data packages stands on.
#[derive(Debug, Default)]
pub struct Esim {
    way: OnceCell<Way>,
    snapshot: OnceCell<ArcSwap<Snapshot>>,
    /// Orders that are being completed, a caller at a time.
    turns: DashMap<i64, Arc<AsyncMutex<()>>>,
    /// Orders of this process that the upstream was not asked for yet.
    fresh: Mutex<HashSet<i64>>,
    /// When orders were last tried without a clear answer, in milliseconds of the monotonic clock.
    unclear: Mutex<HashMap<i64, u64>>,
    /// What the worker has to do.
    pub(crate) due: worker::Due,
    /// When each order was last asked about because somebody wanted to know, by the monotonic clock.
    questions: DashMap<i64, tokio::time::Instant>,
    syncing: AsyncMutex<()>,
}

impl Esim {
    /// The way to the upstream, opened when first needed.
    pub async fn upstream(
        &self,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<&Upstream, UpstreamError> {
        let way = self.way.get_or_try_init(|| open(config, clock)).await?;
        Ok(&way.upstream)
    }

    /// Packages and prices in memory; the first asking loads them.
    pub async fn snapshot(&self, store: &Store) -> Result<Arc<Snapshot>, StoreError> {
        let held = self.snapshot.get_or_try_init(|| async {
            Ok::<_, StoreError>(ArcSwap::from_pointee(Snapshot::load(store).await?))
        });
        Ok(held.await?.load_full())
    }

    /// Reads packages and prices from the store again.
    pub async fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let snapshot = Snapshot::load(store).await?;
        match self.snapshot.get() {
            Some(held) => held.store(Arc::new(snapshot)),
            // Whoever needs it first reads it.
            None => drop(snapshot),
        }
        Ok(())
    }

    /// Waits until nobody else is at this order.
    async fn turn(&self, order_id: i64) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(&self.turns.entry(order_id).or_default());
        let guard = turn.lock_owned().await;
        // Whoever waits holds the mutex too: an entry that only the map and this guard know is dropped later.
        self.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        guard
    }

    fn fresh(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unclear(&self) -> MutexGuard<'_, HashMap<i64, u64>> {
        self.unclear.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The markups of the configuration, which was checked when it was read.
pub fn markups(config: &Config) -> Markups {
    let none = || "0".parse().ok().map(|zero| (zero, zero));
    match config.esim.markups().ok().or_else(none) {
        Some((reseller, client)) => Markups { reseller, client },
        None => unreachable!("no markup at all is a markup"),
    }
}

/// The exchange rates in force.
pub async fn rates(services: &Services) -> Result<Rates, StoreError> {
    let snapshot = services.esim.snapshot(&services.store).await?;
    Rates::read(&services.store, &snapshot, services.currency(), services.clock.now()).await
}

/// Reads the upstream's catalogue into the store and the memory.
pub async fn sync(services: &Services) -> Result<Synced, SyncError> {
    if !services.config.esim.is_on() {
        return Err(SyncError::Off);
    }
    let _one = services.esim.syncing.lock().await;
    let listed = services.esim.upstream(&services.config, &services.clock).await?.packages().await?;
    if listed.is_empty() {
        return Err(SyncError::Empty);
    }
    let known = services.esim.snapshot(&services.store).await?;
    let synced = catalogue::write(&services.store, &known, listed, services.clock.now()).await?;
    services.esim.reload(&services.store).await?;
    tracing::info!(
        packages.listed = synced.listed,
        packages.changed = synced.changed,
        packages.gone = synced.gone,
        "the eSIM catalogue was read"
    );
    Ok(synced)
}

async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Way, UpstreamError> {
    let settings = &config.esim;
    let with = |url: &str, guard| {
        let code = settings.access_code.as_ref().map_or("simulator", Secret::reveal);
        let upstream =
            Upstream::new(url, code, settings.secret.as_ref().map(Secret::reveal), Arc::clone(clock))?;
        Ok(Way { upstream, _simulator: guard })
    };
    match settings.kind {
        EsimKind::Off => Err(UpstreamError::NotReached("esim.kind is off".to_owned())),
        EsimKind::Esimaccess => with(&settings.url, None),
        EsimKind::Simulator => {
            let stop = CancellationToken::new();
            let known = Settings { record: config.simulator_record(), ..Settings::default() };
            let simulator = Simulator::start(SocketAddr::from(([127, 0, 0, 1], 0)), known, stop.clone())
                .await
                .map_err(|error| UpstreamError::NotReached(format!("the simulator: {error}")))?;
            tracing::warn!(address = %simulator.address, "eSIMs are simulated: nothing real is bought");
            with(&simulator.url(), Some(stop.drop_guard()))
        }
    }
}
