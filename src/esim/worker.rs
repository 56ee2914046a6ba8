//! The background work: completes pending orders, follows the usage of live eSIMs, and reads the upstream's catalogue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::Next;
use super::orders;
use super::sync::{SyncError, sync};
use crate::esim::state::Esim;
use crate::store::StoreError;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// Orders that are advanced at once.
const AT_ONCE: usize = 8;
/// Interval at which the store is searched for pending orders that are not scheduled.
const SEARCH_EVERY: Duration = Duration::from_secs(30);
/// Interval at which live eSIMs are searched for stale usage.
const USAGE_EVERY: Duration = Duration::from_mins(1);
/// Live eSIMs in one search.
const USAGE_ROWS: i64 = 100;
/// The first wait after a failed synchronization of the catalogue; it doubles up to the interval itself.
const SYNC_AGAIN: Duration = Duration::from_secs(10);
/// Shortest interval between two refreshes of one order on request.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// The longest wait of a request for such a refresh.
const REFRESH_PATIENCE: Duration = Duration::from_secs(15);
/// Refreshes on request that are remembered.
const REMEMBERED_REFRESHES: usize = 10_000;

/// Runs until `stop`.
pub async fn run(esim: Arc<Esim>, stop: CancellationToken) {
    if !esim.services.config.esim.is_on() {
        stop.cancelled().await;
        return;
    }
    tokio::join!(
        complete_orders(Arc::clone(&esim), stop.clone()),
        find_pending(&esim, &stop),
        follow_usage(&esim, &stop),
        sync_catalogue(&esim, &stop),
    );
}

/// Waits; returns true if `stop` was cancelled meanwhile.
async fn stopped_within(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}

/// Completes orders as they become due.
async fn complete_orders(esim: Arc<Esim>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let due = &esim.due;
        let wait = due.next_at().map_or(SEARCH_EVERY, |at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = stop.cancelled() => break,
            () = due.woken() => {}
            () = tokio::time::sleep(wait) => {}
        }
        while let Some((id, looks)) = due.pop_due() {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&room).acquire_owned() => place,
            };
            let advancing = Arc::clone(&esim);
            under_way.spawn(async move {
                advance(&advancing, id, looks).await;
                drop(place);
            });
        }
    }
    // Answers of the upstream are recorded before the process ends, as far as it may wait.
    while under_way.join_next().await.is_some() {}
}

async fn advance(esim: &Esim, id: i64, looks: u32) {
    let next = match orders::advance(esim, id).await {
        // A notice about an eSIM that is allocated already.
        Ok(Next::Ended) => {
            if let Err(error) = orders::refresh(esim, id).await {
                tracing::warn!(order.id = id, %error, "eSIM not refreshed");
            }
            Next::Ended
        }
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(order.id = id, %error, "eSIM order not advanced");
            Next::Later
        }
    };
    esim.due.reschedule(id, next, looks);
}

/// Schedules pending orders that are not scheduled: those of an earlier process above all.
async fn find_pending(esim: &Esim, stop: &CancellationToken) {
    loop {
        match esim.services.store.esim_orders_pending().await {
            Ok(pending) => {
                esim.services.metrics.esim_pending.store(pending.len() as u64, Ordering::Relaxed);
                for order in &pending {
                    esim.due.add_missing(order.new.id);
                }
                if !pending.is_empty() {
                    esim.due.wake();
                }
            }
            Err(error) => tracing::debug!(%error, "pending eSIM orders not read"),
        }
        if stopped_within(stop, SEARCH_EVERY).await {
            return;
        }
    }
}

/// Follows the usage of live eSIMs, each at the configured interval.
async fn follow_usage(esim: &Esim, stop: &CancellationToken) {
    while !stopped_within(stop, USAGE_EVERY).await {
        if let Err(error) = refresh_usage(esim).await {
            tracing::debug!(%error, "eSIM usage not followed");
        }
    }
}

/// Asks about the usage of eSIMs whose usage is stale.
async fn refresh_usage(esim: &Esim) -> Result<(), StoreError> {
    let minutes = i64::from(esim.services.config.esim.usage_minutes);
    let now = esim.services.clock.now();
    let since = now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(now);
    let stale = esim.services.store.esim_orders_stale(since, USAGE_ROWS).await?;
    let Ok(upstream) = esim.upstream().await else { return Ok(()) };
    // eSIMs in use are asked about in batches; one that was never used needs a question of its own, for its state.
    let (used, unused): (Vec<EsimOrder>, Vec<EsimOrder>) =
        stale.into_iter().partition(|order| order.status == EsimStatus::InUse && is_good(order, now));
    for some in used.chunks(upstream.usage_batch().max(1)) {
        let names: Vec<String> = some.iter().filter_map(|order| order.tran_no.clone()).collect();
        match upstream.fetch_usage(&names).await {
            Ok(usages) => {
                for order in some {
                    let usage = usages.iter().find(|usage| Some(&usage.tran_no) == order.tran_no.as_ref());
                    match usage {
                        Some(usage) if usage.used_bytes >= usage.total_bytes => {
                            esim.due.notify(order.new.id, Duration::ZERO);
                        }
                        Some(usage) => {
                            orders::record_usage(esim, order, usage.used_bytes, usage.total_bytes).await?;
                        }
                        None => esim.services.store.esim_order_was_asked(order.new.id, now).await?,
                    }
                }
            }
            Err(error) => {
                esim.services.metrics.esim_failed(error.kind());
                tracing::info!(%error, "eSIM usage not available");
            }
        }
    }
    for order in unused {
        esim.due.notify(order.new.id, Duration::ZERO);
    }
    Ok(())
}

fn is_good(order: &EsimOrder, now: jiff::Timestamp) -> bool {
    order.expires_at.is_none_or(|at| at > now)
}

/// Synchronizes the catalogue at the start and at the configured interval.
async fn sync_catalogue(esim: &Esim, stop: &CancellationToken) {
    let every = Duration::from_hours(u64::from(esim.services.config.esim.sync_hours));
    let mut again = SYNC_AGAIN;
    loop {
        let wait = match sync(esim).await {
            Ok(_) => {
                again = SYNC_AGAIN;
                every
            }
            Err(error) => {
                if let SyncError::Upstream(error) = &error {
                    esim.services.metrics.esim_failed(error.kind());
                }
                tracing::warn!(%error, "eSIM catalogue not synchronized: the known packages are sold on");
                let wait = again.min(every);
                again = again.saturating_mul(2);
                wait
            }
        };
        if stopped_within(stop, wait).await {
            return;
        }
    }
}

/// Refreshes an order on request, unless it was refreshed a moment ago.
pub async fn refresh_now(esim: &Arc<Esim>, id: i64) {
    let refreshed = &esim.refreshed;
    let now = Instant::now();
    if refreshed.len() > REMEMBERED_REFRESHES {
        refreshed.retain(|_, at| now.saturating_duration_since(*at) < REFRESH_EVERY);
    }
    {
        let mut may_ask = false;
        refreshed
            .entry(id)
            .and_modify(|at| {
                may_ask = now.saturating_duration_since(*at) >= REFRESH_EVERY;
                if may_ask {
                    *at = now;
                }
            })
            .or_insert_with(|| {
                may_ask = true;
                now
            });
        if !may_ask {
            return;
        }
    }
    let asking = Arc::clone(esim);
    // It runs to its end even if the request is gone.
    let asked = tokio::spawn(async move {
        match orders::advance(&asking, id).await {
            Ok(Next::Done) => {}
            Ok(Next::Ended) => {
                if let Err(error) = orders::refresh(&asking, id).await {
                    tracing::warn!(order.id = id, %error, "eSIM not refreshed");
                }
            }
            Ok(Next::Soon | Next::Later) => asking.due.add_missing(id),
            Err(error) => {
                tracing::warn!(order.id = id, %error, "eSIM order not advanced");
                asking.due.add_missing(id);
            }
        }
    });
    if tokio::time::timeout(REFRESH_PATIENCE, asked).await.is_err() {
        tracing::info!(order.id = id, "eSIM upstream slow to answer");
    }
}
