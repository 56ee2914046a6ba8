//! [`Messaging`]: the providers with their pace, and everything that is known of messages in memory.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connector::Receipts;
use super::outcome::{Ended, Outcome};
use super::pace::Pace;
use super::providers::{Provider, Providers};
use super::under_way::Staging;
use super::unsent::Unsent;
use crate::metrics::Registry;
use crate::services::{Memory, Services};
use crate::store::StoreError;

/// The longest wait for messages under way when the process ends.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// Ids that are fetched at once: each fetching is a commit.
const IDS_AT_ONCE: usize = 50;

/// A provider with its pace.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) provider: Provider,
    pub(super) pace: Pace,
    /// Wakes the sender: a message may be due.
    pub(super) wake: Notify,
}

/// The messaging service.
pub struct Messaging {
    pub(super) services: Arc<Services>,
    /// The accounts and the catalogue.
    pub(super) memory: Memory,
    pub(super) providers: Providers,
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) inbox: Arc<dyn Receipts>,
    /// Messages under way at their providers.
    pub(super) under_way: TaskTracker,
    /// Ids that were fetched and are not used yet.
    pub(super) ids: Mutex<std::ops::Range<i64>>,
    pub(super) zone: TimeZone,
    /// Campaigns that are being written.
    pub(super) staging: Staging,
    /// Numbers of unsent messages.
    pub(super) unsent: Unsent,
    /// Serializes the cancellation of campaigns.
    pub(super) cancelling_campaigns: tokio::sync::Mutex<()>,
    /// Serializes the cancellation of single messages.
    pub(super) cancelling_messages: tokio::sync::Mutex<()>,
    /// Cancelled when a task of a message panicked.
    pub(super) crashed: CancellationToken,
    /// Requests that wait for the outcome of a message, by its id.
    pub(super) waiting: Mutex<HashMap<i64, oneshot::Sender<Ended>>>,
    pub(super) stop: CancellationToken,
}

impl std::fmt::Debug for Messaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messaging").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl Messaging {
    /// Runs a task of a message; a panic in it ends the process.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        let crashed = self.crashed.clone();
        self.under_way.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                crashed.cancel();
            }
        });
    }

    pub(super) fn lane(&self, provider: &str) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.provider.name == provider)
    }

    pub(super) fn wake(&self, provider: &str) {
        if let Some(lane) = self.lane(provider) {
            lane.wake.notify_one();
        }
    }

    /// The providers.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Registers the state of each provider.
    pub fn register_metrics(self: &Arc<Self>, registry: &mut Registry) {
        let messaging = Arc::clone(self);
        let help = "1 if the provider accepts messages, else 0";
        registry.gauges("tollgate_sms_provider_up", help, ["provider"], move || {
            let sample =
                |provider: &Provider| ([provider.name.clone()], u64::from(provider.connector.is_up()));
            messaging.providers.iter().map(sample).collect()
        });
    }

    /// Time zone of scheduled times.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Requests that wait for the outcome of a message.
    pub(super) fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<i64, oneshot::Sender<Ended>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves an id for a message or a campaign.
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

    /// Reserves ids; returns the first.
    pub(super) async fn ids(&self, count: usize) -> Result<i64, StoreError> {
        let mut tx = self.services.store.begin().await?;
        let first = tx.catalog_ids(i64::try_from(count).unwrap_or(i64::MAX)).await?;
        tx.commit().await?;
        Ok(first)
    }
}
