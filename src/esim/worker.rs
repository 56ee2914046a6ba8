//! What goes on without anybody asking: pending orders are completed, live eSIMs are asked about now and then, and the
//! upstream's catalogue is read.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SyncError;
use super::orders::{self, Next};
use super::upstream::USAGE_AT_ONCE;
use crate::services::Services;
use crate::store::StoreError;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// How long after a notice of the upstream's its order is asked about: a thousand notices within it are one question.
pub(crate) const AFTER_NOTICE: Duration = Duration::from_millis(500);
/// Waits between two questions about an order that the upstream has: it takes up to 30 s.
const SOON: [Duration; 5] = [
    Duration::from_millis(700),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
];
/// The longest wait of those.
const SOON_AT_MOST: Duration = Duration::from_secs(30);
/// The first wait after no answer; it doubles.
const LATER: Duration = Duration::from_secs(1);
/// The longest wait of those.
const LATER_AT_MOST: Duration = Duration::from_mins(1);
/// Orders under way at once: the upstream takes eight requests a second.
const AT_ONCE: usize = 8;
/// How often the store is looked through for pending orders that nothing waits for.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often live eSIMs are looked through.
const USAGE_EVERY: Duration = Duration::from_mins(1);
/// Live eSIMs asked about in one look.
const USAGE_ROWS: i64 = 100;
/// The wait after a catalogue that could not be read; it doubles up to the sync's own time.
const SYNC_AGAIN: Duration = Duration::from_secs(10);
/// How often somebody who wants to know may let the upstream be asked about one order.
const QUESTION_EVERY: Duration = Duration::from_secs(5);
/// How long whoever wants to know waits for the upstream.
const QUESTION_PATIENCE: Duration = Duration::from_secs(15);
/// Questions of people that are remembered.
const QUESTIONS: usize = 10_000;

/// When an order is to be looked at.
#[derive(Clone, Copy, Debug)]
struct At {
    at: Instant,
    /// Looks at it so far that changed nothing.
    looks: u32,
}

/// Orders that are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Due {
    orders: Mutex<BTreeMap<i64, At>>,
    woken: Notify,
}

impl Due {
    fn orders(&self) -> MutexGuard<'_, BTreeMap<i64, At>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At once.
    pub(crate) fn now(&self, id: i64) {
        self.orders().insert(id, At { at: Instant::now(), looks: 0 });
        self.woken.notify_one();
    }

    /// In a moment, unless it is due sooner.
    pub(crate) fn told(&self, id: i64, wait: Duration) {
        let at = Instant::now() + wait;
        let mut orders = self.orders();
        let entry = orders.entry(id).or_insert(At { at, looks: 0 });
        entry.at = entry.at.min(at);
        drop(orders);
        self.woken.notify_one();
    }

    /// If nothing waits for it: at once.
    fn found(&self, id: i64) {
        self.orders().entry(id).or_insert(At { at: Instant::now(), looks: 0 });
    }

    fn again(&self, id: i64, next: Next, looks: u32) {
        let wait = match next {
            Next::Done | Next::Ended => return,
            Next::Soon => {
                let step = usize::try_from(looks).ok().and_then(|looks| SOON.get(looks)).copied();
                step.unwrap_or(SOON_AT_MOST)
            }
            Next::Later => LATER.saturating_mul(1 << looks.min(10)).min(LATER_AT_MOST),
        };
        let at = At { at: Instant::now() + wait, looks: looks.saturating_add(1) };
        self.orders().entry(id).or_insert(at);
        // Whoever waits for the next one may know of none yet.
        self.woken.notify_one();
    }

    /// Takes the next one that is due.
    fn take(&self) -> Option<(i64, u32)> {
        let now = Instant::now();
        let mut orders = self.orders();
        let (&id, &At { looks, .. }) =
            orders.iter().filter(|(_, due)| due.at <= now).min_by_key(|(_, due)| due.at)?;
        orders.remove(&id);
        Some((id, looks))
    }

    fn next_at(&self) -> Option<Instant> {
        self.orders().values().map(|due| due.at).min()
    }
}

/// Works until `stop`.
pub async fn run(services: Arc<Services>, stop: CancellationToken) {
    if !services.config.esim.is_on() {
        stop.cancelled().await;
        return;
    }
    tokio::join!(
        complete(Arc::clone(&services), stop.clone()),
        look_for_pending(&services, &stop),
        follow_usage(&services, &stop),
        keep_catalogue(&services, &stop),
    );
}

/// Whether it was told to stop before the time was over.
async fn stopped(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}

/// Completes orders as they are due.
async fn complete(services: Arc<Services>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let due = &services.esim.due;
        let wait = due.next_at().map_or(LOOK_EVERY, |at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = stop.cancelled() => break,
            () = due.woken.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        while let Some((id, looks)) = due.take() {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&room).acquire_owned() => place,
            };
            let services = Arc::clone(&services);
            under_way.spawn(async move {
                look_at(&services, id, looks).await;
                drop(place);
            });
        }
    }
    // What was asked upstream is written down before the process ends, as far as it may wait.
    while under_way.join_next().await.is_some() {}
}

async fn look_at(services: &Services, id: i64, looks: u32) {
    let next = match orders::advance(services, id).await {
        // Somebody told of an eSIM that is there already.
        Ok(Next::Ended) => {
            if let Err(error) = orders::refresh(services, id).await {
                tracing::warn!(order.id = id, %error, "an eSIM could not be looked at");
            }
            Next::Ended
        }
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(order.id = id, %error, "an eSIM order waits");
            Next::Later
        }
    };
    services.esim.due.again(id, next, looks);
}

/// Finds pending orders that nothing waits for: those of an earlier process, first of all.
async fn look_for_pending(services: &Services, stop: &CancellationToken) {
    loop {
        match services.store.esim_orders_pending().await {
            Ok(pending) => {
                services.metrics.esim_pending.store(pending.len() as u64, Ordering::Relaxed);
                for order in &pending {
                    services.esim.due.found(order.new.id);
                }
                if !pending.is_empty() {
                    services.esim.due.woken.notify_one();
                }
            }
            Err(error) => tracing::debug!(%error, "pending eSIM orders cannot be read"),
        }
        if stopped(stop, LOOK_EVERY).await {
            return;
        }
    }
}

/// Asks about the usage of live eSIMs, ten at once, each no more often than configured.
async fn follow_usage(services: &Services, stop: &CancellationToken) {
    while !stopped(stop, USAGE_EVERY).await {
        if let Err(error) = ask_usage(services).await {
            tracing::debug!(%error, "the usage of eSIMs cannot be followed");
        }
    }
}

/// One look at the eSIMs that were not asked about for long.
pub(crate) async fn ask_usage(services: &Services) -> Result<(), StoreError> {
    let minutes = i64::from(services.config.esim.usage_minutes);
    let now = services.clock.now();
    let since = now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(now);
    let stale = services.store.esim_orders_stale(since, USAGE_ROWS).await?;
    let Ok(upstream) = services.esim.upstream(&services.config, &services.clock).await else { return Ok(()) };
    // Those that count down: one that was never used costs a question of its own, which tells its state too.
    let (used, unused): (Vec<EsimOrder>, Vec<EsimOrder>) =
        stale.into_iter().partition(|order| order.status == EsimStatus::InUse && is_good(order, now));
    for some in used.chunks(USAGE_AT_ONCE) {
        let names: Vec<String> = some.iter().filter_map(|order| order.tran_no.clone()).collect();
        match upstream.usage(&names).await {
            Ok(usages) => {
                for order in some {
                    let usage = usages.iter().find(|usage| Some(&usage.tran_no) == order.tran_no.as_ref());
                    match usage {
                        Some(usage) if usage.used_bytes >= usage.total_bytes => {
                            services.esim.due.told(order.new.id, Duration::ZERO);
                        }
                        Some(usage) => {
                            orders::used(services, order, usage.used_bytes, usage.total_bytes).await?;
                        }
                        None => services.store.esim_order_was_asked(order.new.id, now).await?,
                    }
                }
            }
            Err(error) => {
                services.metrics.esim_failed(error.kind());
                tracing::info!(%error, "the upstream does not tell the usage of eSIMs");
            }
        }
    }
    for order in unused {
        services.esim.due.told(order.new.id, Duration::ZERO);
    }
    Ok(())
}

fn is_good(order: &EsimOrder, now: jiff::Timestamp) -> bool {
    order.expires_at.is_none_or(|at| at > now)
}

/// Reads the catalogue at the start and every so many hours.
async fn keep_catalogue(services: &Services, stop: &CancellationToken) {
    let every = Duration::from_hours(u64::from(services.config.esim.sync_hours));
    let mut again = SYNC_AGAIN;
    loop {
        let wait = match super::sync(services).await {
            Ok(_) => {
                again = SYNC_AGAIN;
                every
            }
            Err(error) => {
                if let SyncError::Upstream(error) = &error {
                    services.metrics.esim_failed(error.kind());
                }
                tracing::warn!(%error, "the eSIM catalogue could not be read; what was known is sold on");
                let wait = again.min(every);
                again = again.saturating_mul(2);
                wait
            }
        };
        if stopped(stop, wait).await {
            return;
        }
    }
}

/// Somebody wants to know about an order now: the upstream is asked, unless it was a moment ago.
pub async fn ask_now(services: &Arc<Services>, id: i64) {
    let questions = &services.esim.questions;
    let now = Instant::now();
    if questions.len() > QUESTIONS {
        questions.retain(|_, at| now.saturating_duration_since(*at) < QUESTION_EVERY);
    }
    {
        let mut may_ask = false;
        questions
            .entry(id)
            .and_modify(|at| {
                may_ask = now.saturating_duration_since(*at) >= QUESTION_EVERY;
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
    let asking = Arc::clone(services);
    // Carried to its end whether or not anybody waits for it.
    let asked = tokio::spawn(async move {
        match orders::advance(&asking, id).await {
            Ok(Next::Done) => {}
            Ok(Next::Ended) => {
                if let Err(error) = orders::refresh(&asking, id).await {
                    tracing::warn!(order.id = id, %error, "an eSIM could not be looked at");
                }
            }
            Ok(Next::Soon | Next::Later) => asking.esim.due.found(id),
            Err(error) => {
                tracing::warn!(order.id = id, %error, "an eSIM order waits");
                asking.esim.due.found(id);
            }
        }
    });
    if tokio::time::timeout(QUESTION_PATIENCE, asked).await.is_err() {
        tracing::info!(order.id = id, "the eSIM upstream takes its time");
    }
}
