//! Messages: what they cost, who takes them, what became of them.
//!
//! [`single`] sends one, [`campaigns`] one text to many. What is due is taken by `sender`, once; a provider is asked over a
//! [`connector`]; `outcomes` writes what it says with the money for it, and `receipts` what it says later.

pub(crate) mod alphabet;
pub mod campaigns;
pub mod connector;
mod forgotten;
pub(crate) mod http;
pub mod order;
mod outcomes;
mod pace;
pub mod price;
pub mod providers;
mod pruning;
mod receipts;
pub mod segments;
mod sender;
mod simulator;
pub mod single;
pub(crate) mod smpp;
mod staging;
mod unsent;
pub mod wall_time;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connector::Receipts;
pub use self::outcomes::Ended;
use self::outcomes::Outcome;
use self::pace::Pace;
use self::providers::{Provider, Providers, ProvidersError};
pub use self::pruning::Pruned;
use self::receipts::Inbox;
use self::staging::Staging;
use self::unsent::Unsent;
use crate::calls::Calls;
use crate::services::Services;
use crate::store::StoreError;
use crate::store::messages::ClaimedMessage;

/// How long whoever sends a message waits to hear what its provider says.
const SEND_PATIENCE: Duration = Duration::from_secs(20);
/// How long messages that are at their providers are waited for when the process ends.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// Ids that are fetched at once: each fetching is a commit.
const IDS_AT_ONCE: usize = 50;

/// One provider's way out, with its pace.
#[derive(Debug)]
struct Lane {
    provider: Provider,
    pace: Pace,
    /// There may be something due.
    wake: Notify,
}

/// Everything about messages.
pub struct Messaging {
    services: Arc<Services>,
    calls: Arc<Calls>,
    providers: Providers,
    lanes: Vec<Arc<Lane>>,
    outcomes: mpsc::Sender<Outcome>,
    inbox: Arc<dyn Receipts>,
    /// Messages that are at their providers.
    under_way: TaskTracker,
    /// Ids that were fetched and not given yet.
    ids: Mutex<std::ops::Range<i64>>,
    zone: TimeZone,
    /// Campaigns that are being written.
    staging: Staging,
    /// How many messages nobody has paid for.
    unsent: Unsent,
    /// Calls campaigns back one after another.
    cancelling: tokio::sync::Mutex<()>,
    /// Calls single messages back one after another.
    calling_back: tokio::sync::Mutex<()>,
    /// Something panicked that had to do with a message.
    crashed: CancellationToken,
    /// Who waits to hear what becomes of a message, by its id.
    waiting: Mutex<HashMap<i64, oneshot::Sender<Ended>>>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Messaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messaging").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// Why messages cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// A provider cannot be used.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// `sms.time_zone` is none.
    #[error("sms.time_zone: {0}")]
    Zone(String),
    /// What was left over cannot be read.
    #[error("the messages of before cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl Messaging {
    /// Opens the providers, finds out about what an earlier process left, and sends what is due until `stop`; then waits for
    /// what is under way. What it returns ends after that.
    pub async fn start(
        services: Arc<Services>,
        calls: Arc<Calls>,
        stop: &CancellationToken,
    ) -> Result<(Arc<Self>, impl Future<Output = Result<(), String>> + Send + 'static + use<>), MessagingError>
    {
        let zone = TimeZone::get(&services.config.sms.time_zone);
        let zone = zone.map_err(|error| MessagingError::Zone(error.to_string()))?;
        let inbox: Arc<dyn Receipts> = Arc::new(Inbox::new(Arc::clone(&services)));
        let providers = Providers::open(&services.config, &inbox, &services.clock)?;
        let lanes = providers.iter().map(|provider| {
            Arc::new(Lane {
                pace: Pace::new(provider.rate_per_second),
                provider: provider.clone(),
                wake: Notify::new(),
            })
        });
        let lanes: Vec<_> = lanes.collect();
        let (outcomes, queue) = mpsc::channel(outcomes::QUEUE);
        let unsent = Unsent::new(&services.config.limits);
        let messaging = Arc::new(Self {
            services,
            calls,
            providers,
            lanes,
            outcomes,
            inbox,
            under_way: TaskTracker::new(),
            ids: Mutex::new(0..0),
            zone,
            staging: Staging::default(),
            unsent,
            cancelling: tokio::sync::Mutex::default(),
            calling_back: tokio::sync::Mutex::default(),
            crashed: CancellationToken::new(),
            waiting: Mutex::default(),
            stop: stop.clone(),
        });
        // Before anything is taken: what is being sent now, an earlier process was sending.
        let left = messaging.left_over().await?;
        messaging.count_unsent().await?;
        let running = Arc::clone(&messaging).run(left, queue, stop.clone());
        Ok((messaging, running))
    }

    /// Everything that runs beside requests.
    fn run(
        self: Arc<Self>,
        left: Vec<ClaimedMessage>,
        queue: mpsc::Receiver<Outcome>,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let mut tasks = JoinSet::new();
        let written = CancellationToken::new();
        let writer = tokio::spawn(outcomes::write_all(Arc::clone(&self), queue, written.clone()));
        if !left.is_empty() {
            tracing::warn!(messages = left.len(), "messages were being sent when an earlier process ended");
        }
        for message in left {
            let messaging = Arc::clone(&self);
            self.begin(async move { messaging.find_out(message).await });
        }
        for lane in &self.lanes {
            tasks.spawn(sender::send_due(Arc::clone(&self), Arc::clone(lane), stop.clone()));
            if lane.provider.connector.is_asked() || lane.provider.connector.can_find() {
                tasks.spawn(receipts::ask(Arc::clone(&self), Arc::clone(lane), stop.clone()));
            }
        }
        tasks.spawn(receipts::sweep(Arc::clone(&self), stop.clone()));
        tasks.spawn(pruning::prune(Arc::clone(&self), stop.clone()));
        tasks.spawn(forgotten::look_after(Arc::clone(&self), stop));
        let messaging = self;
        async move {
            let mut crashed = Ok(());
            loop {
                tokio::select! {
                    ended = tasks.join_next() => match ended {
                        None => break,
                        Some(Ok(())) => {}
                        Some(Err(error)) => {
                            crashed = Err(error.to_string());
                            break;
                        }
                    },
                    () = messaging.crashed.cancelled() => {
                        crashed = Err("giving a message to its provider".to_owned());
                        break;
                    }
                }
            }
            messaging.under_way.close();
            if tokio::time::timeout(STOP_PATIENCE, messaging.under_way.wait()).await.is_err() {
                tracing::warn!(
                    "messages were still at their providers: the next process finds out about them"
                );
            }
            written.cancel();
            crashed.and(writer.await.map_err(|error| error.to_string()))?;
            messaging.providers.close().await;
            Ok(())
        }
    }

    /// Runs what has to do with one message; a panic in it ends the process, as one anywhere does.
    fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        let crashed = self.crashed.clone();
        self.under_way.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                crashed.cancel();
            }
        });
    }

    fn lane(&self, provider: &str) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.provider.name == provider)
    }

    fn wake(&self, provider: &str) {
        if let Some(lane) = self.lane(provider) {
            lane.wake.notify_one();
        }
    }

    /// The ways out.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// What Prometheus reads: which ways out are ready.
    pub fn metrics_text(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        if self.lanes.is_empty() {
            return out;
        }
        let name = "tollgate_sms_provider_up";
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} Whether a provider takes messages\n# TYPE {name} gauge");
        for Provider { name: provider, connector, .. } in self.providers.iter() {
            let _ = writeln!(out, "{name}{{provider=\"{provider}\"}} {}", u8::from(connector.is_up()));
        }
        out
    }

    /// The zone whose local time people write.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Who waits for what becomes of a message.
    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<i64, oneshot::Sender<Ended>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id for a message or a campaign.
    pub async fn new_id(&self) -> Result<i64, StoreError> {
        let next = || self.ids.lock().unwrap_or_else(PoisonError::into_inner).next();
        if let Some(id) = next() {
            return Ok(id);
        }
        let first = self.ids(IDS_AT_ONCE).await?;
        let last = first + i64::try_from(IDS_AT_ONCE).unwrap_or(1);
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = first + 1..last;
        Ok(first)
    }

    /// The first of so many ids that nobody else gets.
    async fn ids(&self, count: usize) -> Result<i64, StoreError> {
        let mut tx = self.services.store.begin().await?;
        let first = tx.catalog_ids(i64::try_from(count).unwrap_or(i64::MAX)).await?;
        tx.commit().await?;
        Ok(first)
    }
}
