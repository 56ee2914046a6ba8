//! What providers say of messages later: delivered, failed, expired. They say it late, twice, and before their own answer.

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

/// How often it is looked whether a provider is to be asked.
const LOOK: Duration = Duration::from_secs(1);
/// The fewest and the most questions to a provider at each look: as many as it is given messages meanwhile.
const QUESTIONS: std::ops::RangeInclusive<u32> = 20..=500;
/// Questions that a provider is asked at once: one that is slow to answer holds up few.
const AT_ONCE: usize = 8;
/// The waits between questions about a message; after the last it is asked no more.
const WAITS_SECONDS: [i64; 12] =
    [20, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 115_200];
/// How long a receipt of a message that nobody knows is kept: its provider's answer may not be written yet.
const STRANGERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How often such are swept.
const SWEEP: Duration = Duration::from_hours(1);

/// Where connectors bring their receipts.
#[derive(Debug)]
pub(super) struct Inbox {
    services: Arc<Services>,
}

impl Inbox {
    /// Of this desk's book.
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
    fn take<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>> {
        Box::pin(async move {
            // Written again when it is told again: a commit whose answer is lost does no harm.
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
        // Where it is stays what it was; there is nothing to be learnt any more.
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
        // Of a message whose sending was cut short not all parts have names.
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

/// Asks a provider that tells nothing by itself where its messages are, until `stop`.
pub(super) async fn ask(messaging: Arc<Messaging>, lane: Arc<Lane>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // A question that is dropped in its middle is asked again.
        let asked = stop.run_until_cancelled(messaging.ask_once(&lane)).await;
        if let Some(Err(error)) = asked {
            tracing::warn!(provider = %lane.provider.name, %error, "a provider could not be asked about messages");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Sweeps receipts of messages that nobody sent here, until `stop`.
pub(super) async fn sweep(messaging: Arc<Messaging>, stop: CancellationToken) {
    loop {
        let before = messaging.services.clock.now() - STRANGERS_KEPT;
        if let Err(error) = messaging.services.store.sweep_receipts(before).await {
            tracing::warn!(%error, "old receipts could not be swept");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// When a message that was asked about so often is asked about again; never after the last time.
fn next_question(asked: i64, now: Timestamp) -> Option<Timestamp> {
    let wait = WAITS_SECONDS.get(usize::try_from(asked).ok()?)?;
    now.checked_add(SignedDuration::from_secs(*wait)).ok()
}

impl Messaging {
    async fn ask_once(&self, lane: &Lane) -> Result<(), StoreError> {
        let most = lane.provider.rate_per_second.clamp(*QUESTIONS.start(), *QUESTIONS.end());
        let now = self.services.clock.now();
        let parts = self.services.store.parts_to_ask(&lane.provider.name, now, i64::from(most)).await?;
        let asking = parts.into_iter().map(|part| self.ask_about(lane, part));
        futures::stream::iter(asking).buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await?;
        if !lane.provider.connector.can_find() {
            return Ok(());
        }
        for lost in self.services.store.lost_messages(&lane.provider.name, now, i64::from(most)).await? {
            self.look_for(lane, lost).await?;
        }
        Ok(())
    }

    /// Asks for a message that the provider may have. It was charged; now it may be known where it is.
    async fn look_for(&self, lane: &Lane, lost: LostMessage) -> Result<(), StoreError> {
        let found = lane.provider.connector.find(&lost.reference, &lost.phone).await;
        let now = self.services.clock.now();
        let mut tx = self.services.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        match found {
            Found::Taken(taken) => {
                let is_asked = lane.provider.connector.is_asked() && !taken.upstream_ids.is_empty();
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

    async fn ask_about(&self, lane: &Lane, part: PartToAsk) -> Result<(), StoreError> {
        let services = &self.services;
        let receipt = lane.provider.connector.ask(&part.upstream_id).await;
        let next = next_question(part.asked, services.clock.now());
        if let Some(receipt) = receipt
            && let Err(error) = self.inbox.take(&lane.provider.name, receipt).await
        {
            // It is asked again at the next look.
            tracing::debug!(%error, "an answer about a message was not kept");
            return Ok(());
        }
        let mut tx = services.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        tx.message_asked(part.message_id, next).await?;
        tx.commit().await
    }
}
