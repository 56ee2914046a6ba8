//! Delivery receipts: delivered, failed, expired. They come late, twice, and before the provider's own answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::connector::{Delivery, Found, NotKept, Receipt, Receipts};
use super::service::{Lane, Messaging};
use crate::services::Services;
use crate::store::messages::MessageState;
use crate::store::receipts::{LostMessage, Part, PartToAsk};
use crate::store::{Reserved, StoreError, Tx};

/// Interval of polling.
const LOOK: Duration = Duration::from_secs(1);
/// The fewest and the most questions to a provider in one interval: as many as it gets messages meanwhile.
const QUESTIONS: std::ops::RangeInclusive<u32> = 20..=500;
/// Most questions to a provider at the same time.
const AT_ONCE: usize = 8;
/// The waits between questions about a message; after the last one polling ends.
const WAITS_SECONDS: [i64; 12] =
    [20, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 115_200];
/// Time for which a receipt of an unknown message is kept: the provider's answer may not be written yet.
const STRAYS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Interval at which such receipts are deleted.
const SWEEP: Duration = Duration::from_hours(1);

/// Records the receipts of connectors.
#[derive(Debug)]
pub(super) struct Inbox {
    services: Arc<Services>,
}

impl Inbox {
    /// Creates a recorder.
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    async fn write(&self, provider: &str, receipt: &Receipt) -> Result<(), StoreError> {
        let Some(state) = end_of(receipt.delivery) else { return Ok(()) };
        let now = self.services.clock.now();
        let part = Part {
            end: Some(state),
            failure: receipt.failure.clone().filter(|_| state != MessageState::Delivered),
            // A provider's clock may be ahead of ours.
            ended_at: Some(receipt.at.unwrap_or(now).min(now)),
        };
        let mut tx = self.services.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        if let Some(id) = tx.take_receipt(provider, &receipt.upstream_id, &part, now).await? {
            conclude(&mut tx, id, now).await?;
        }
        tx.commit().await
    }
}

impl Receipts for Inbox {
    fn record<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>> {
        Box::pin(async move {
            // Idempotent: after a lost commit answer the receipt is repeated and recorded again.
            self.write(provider, &receipt).await.map_err(|error| NotKept(error.to_string()))
        })
    }
}

/// The state that a receipt ends a message in; none where it goes on.
fn end_of(delivery: Delivery) -> Option<MessageState> {
    match delivery {
        Delivery::Delivered => Some(MessageState::Delivered),
        Delivery::Failed => Some(MessageState::Failed),
        Delivery::Expired => Some(MessageState::Expired),
        Delivery::Rejected => Some(MessageState::Rejected),
        // No change of state.
        Delivery::UnderWay | Delivery::Unknown => None,
    }
}

/// Ends a message whose parts have ended: in failure with the first part that failed, delivered with the last one. What has
/// ended stays as it ended.
pub(super) async fn conclude(tx: &mut Tx, message_id: i64, now: Timestamp) -> Result<(), StoreError> {
    let Some(message) = tx.receipted_message(message_id).await? else { return Ok(()) };
    let parts = tx.parts_of(message_id).await?;
    let failed = parts.iter().find(|part| part.end.is_some_and(|end| end != MessageState::Delivered));
    let (state, failure) = match failed {
        Some(Part { end: Some(end), failure, .. }) => (*end, failure.as_deref()),
        // If sending was interrupted, not all parts have ids.
        _ if message.state == MessageState::Unknown && message.segments > 1 => return Ok(()),
        _ if parts.iter().all(|part| part.end.is_some()) => (MessageState::Delivered, None),
        _ => return Ok(()),
    };
    let last = parts.iter().filter_map(|part| part.ended_at).max();
    let delivered_at = last.filter(|_| state == MessageState::Delivered);
    if !tx.message_delivered(message_id, (state, failure), delivered_at, now).await? {
        return Ok(());
    }
    if let Some(campaign_id) = message.campaign_id {
        let was_unknown = i64::from(message.state == MessageState::Unknown);
        let delivered = i64::from(state == MessageState::Delivered);
        tx.count_receipt(campaign_id, was_unknown, delivered, 1 - delivered, -was_unknown).await?;
    }
    Ok(())
}

/// Polls the delivery states of a provider that sends no receipts, until `stop`.
pub(super) async fn poll(messaging: Arc<Messaging>, lane: Arc<Lane>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // A question that is dropped in its middle is repeated.
        let asked = stop.run_until_cancelled(messaging.poll_once(&lane)).await;
        if let Some(Err(error)) = asked {
            tracing::warn!(provider = %lane.provider.name, %error, "delivery states not polled");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Deletes old receipts of messages that were not sent here, until `stop`.
pub(super) async fn sweep_strays(messaging: Arc<Messaging>, stop: CancellationToken) {
    loop {
        let before = messaging.services.clock.now() - STRAYS_KEPT;
        if let Err(error) = messaging.services.store.sweep_receipts(before).await {
            tracing::warn!(%error, "stray receipts not deleted");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The time of the next question after `asked` questions; `None` after the last one.
fn next_question(asked: i64, now: Timestamp) -> Option<Timestamp> {
    let wait = WAITS_SECONDS.get(usize::try_from(asked).ok()?)?;
    now.checked_add(SignedDuration::from_secs(*wait)).ok()
}

impl Messaging {
    async fn poll_once(&self, lane: &Lane) -> Result<(), StoreError> {
        let most = lane.provider.rate_per_second.clamp(*QUESTIONS.start(), *QUESTIONS.end());
        let now = self.services.clock.now();
        let parts = self.services.store.parts_to_ask(&lane.provider.name, now, i64::from(most)).await?;
        let asking = parts.into_iter().map(|part| self.poll_part(lane, part));
        futures::stream::iter(asking).buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await?;
        if !lane.provider.connector.can_find() {
            return Ok(());
        }
        for lost in self.services.store.lost_messages(&lane.provider.name, now, i64::from(most)).await? {
            self.find_lost(lane, lost).await?;
        }
        Ok(())
    }

    /// Searches for a message of unknown outcome, which was charged, and records where it is if it is found.
    async fn find_lost(&self, lane: &Lane, lost: LostMessage) -> Result<(), StoreError> {
        let found = lane.provider.connector.find(&lost.reference, &lost.phone).await;
        let now = self.services.clock.now();
        let mut tx = self.services.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        match found {
            Found::Accepted(taken) => {
                let is_asked = lane.provider.connector.needs_polling() && !taken.upstream_ids.is_empty();
                let ask_at = is_asked.then(|| now + SignedDuration::from_secs(WAITS_SECONDS[0]));
                let message = tx.receipted_message(lost.message_id).await?;
                if tx.message_found(lost.message_id, ask_at, now).await? {
                    for upstream_id in &taken.upstream_ids {
                        tx.insert_part(&lane.provider.name, upstream_id, lost.message_id, now).await?;
                    }
                    if let Some(campaign_id) = message.and_then(|message| message.campaign_id) {
                        tx.count_receipt(campaign_id, 1, 0, 0, -1).await?;
                    }
                    if !taken.upstream_ids.is_empty() {
                        conclude(&mut tx, lost.message_id, now).await?;
                    }
                }
            }
            Found::CannotTell => tx.message_asked(lost.message_id, next_question(lost.asked, now)).await?,
        }
        tx.commit().await
    }

    async fn poll_part(&self, lane: &Lane, part: PartToAsk) -> Result<(), StoreError> {
        let services = &self.services;
        let receipt = lane.provider.connector.fetch_status(&part.upstream_id).await;
        let next = next_question(part.asked, services.clock.now());
        if let Some(receipt) = receipt
            && let Err(error) = self.inbox.record(&lane.provider.name, receipt).await
        {
            // It is asked again in the next interval.
            tracing::debug!(%error, "delivery state not recorded");
            return Ok(());
        }
        let mut tx = services.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        tx.message_asked(part.message_id, next).await?;
        tx.commit().await
    }
}
