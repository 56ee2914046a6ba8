//! Starts and stops what runs beside requests: the senders, receipts, pruning.

use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connector::Receipts;
use super::error::MessagingError;
use super::outcome::Outcome;
use super::pace::Pace;
use super::providers::Providers;
use super::receipts::Inbox;
use super::service::{Lane, Messaging, STOP_PATIENCE};
use super::under_way::Staging;
use super::unsent::Unsent;
use super::{housekeeping, outcomes, pruning, receipts, sender};
use crate::services::Services;
use crate::store::messages::ClaimedMessage;

impl Messaging {
    /// Opens the providers, resolves the messages that an earlier process left, and sends due messages until `stop`; then
    /// waits for those under way. The returned future ends after that.
    pub async fn start(
        services: Arc<Services>,
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
        let memory = services.memory().await?.clone();
        let messaging = Arc::new(Self {
            services,
            memory,
            providers,
            lanes,
            outcomes,
            inbox,
            under_way: TaskTracker::new(),
            ids: Mutex::new(0..0),
            zone,
            staging: Staging::default(),
            unsent,
            cancelling_campaigns: tokio::sync::Mutex::default(),
            cancelling_messages: tokio::sync::Mutex::default(),
            crashed: CancellationToken::new(),
            waiting: Mutex::default(),
            stop: stop.clone(),
        });
        // Before anything is claimed: messages in state SENDING now belong to an earlier process.
        let left = messaging.read_interrupted().await?;
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
            tracing::warn!(messages = left.len(), "interrupted messages found");
        }
        for message in left {
            let messaging = Arc::clone(&self);
            self.begin(async move { messaging.resolve_interrupted(message).await });
        }
        for lane in &self.lanes {
            tasks.spawn(sender::send_due(Arc::clone(&self), Arc::clone(lane), stop.clone()));
            if lane.provider.connector.needs_polling() || lane.provider.connector.can_find() {
                tasks.spawn(receipts::poll(Arc::clone(&self), Arc::clone(lane), stop.clone()));
            }
        }
        tasks.spawn(receipts::sweep_strays(Arc::clone(&self), stop.clone()));
        tasks.spawn(pruning::prune(Arc::clone(&self), stop.clone()));
        tasks.spawn(housekeeping::run(Arc::clone(&self), stop));
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
                        crashed = Err("a task of a message panicked".to_owned());
                        break;
                    }
                }
            }
            messaging.under_way.close();
            if tokio::time::timeout(STOP_PATIENCE, messaging.under_way.wait()).await.is_err() {
                tracing::warn!("messages still under way at the end: the next process resolves them");
            }
            written.cancel();
            crashed.and(writer.await.map_err(|error| error.to_string()))?;
            messaging.providers.close().await;
            Ok(())
        }
    }
}
