//! Claims due messages and submits them to their provider, at most once: a message that the provider may already have
//! accepted is never submitted again.
//!
//! A message is written as being sent, in a commit of its own, before it is submitted. A process that finds such a message of
//! an earlier one asks the provider for it; if the provider cannot tell, the outcome is unknown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::connector::{Accepted, Encoding, Found, Outgoing, Submitted};
use super::outcome::{Ended, Outcome};
use super::service::{Lane, Messaging};
use crate::accounts::spending;
use crate::secrets::random_below;
use crate::store::messages::ClaimedMessage;
use crate::store::{Patience, StoreError};

/// Interval at which due messages are searched for without a wake-up.
const IDLE: Duration = Duration::from_millis(500);
/// The wait while no message can be submitted.
const NO_ROOM: Duration = Duration::from_millis(20);
/// Most messages under way at one provider.
const IN_FLIGHT: usize = 64;
/// Time ahead for which messages are claimed. Of claimed messages that wait for their slot, a killed process leaves an
/// unknown outcome.
const AHEAD: Duration = Duration::from_millis(100);
/// The waits before a provider is searched for a message that it may have accepted.
const QUESTIONS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];
/// The pause after a provider did not answer.
const NO_ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// Sends one provider's messages as they become due, until `stop`.
pub(super) async fn send_due(messaging: Arc<Messaging>, lane: Arc<Lane>, stop: CancellationToken) {
    let window = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        let room = window.available_permits().min(lane.pace.capacity(AHEAD));
        if room == 0 {
            // There will be room in a moment, or after the provider's pause.
            tokio::select! {
                () = tokio::time::sleep(NO_ROOM) => continue,
                () = stop.cancelled() => return,
            }
        }
        match messaging.claim_due_messages(&lane, room).await {
            Ok(claimed) if claimed.is_empty() => {
                tokio::select! {
                    () = lane.wake.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
            }
            Ok(claimed) => {
                for message in claimed {
                    let reply = messaging.waiting().remove(&message.id);
                    // No more were claimed than there are permits.
                    let Ok(place) = Arc::clone(&window).acquire_owned().await else { return };
                    let (submitting, lane) = (Arc::clone(&messaging), Arc::clone(&lane));
                    let sending = async move {
                        submitting.submit(&lane, message, reply).await;
                        drop(place);
                    };
                    messaging.begin(sending);
                }
            }
            Err(error) => {
                tracing::warn!(provider = %lane.provider.name, %error, "due messages not claimed");
                tokio::select! {
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

impl Messaging {
    /// Claims due messages, at most `room`.
    async fn claim_due_messages(&self, lane: &Lane, room: usize) -> Result<Vec<ClaimedMessage>, StoreError> {
        let store = &self.services.store;
        let now = self.services.clock.now();
        let trusted = self.services.ownership.is_trusted(&self.services.clock.moment());
        if !trusted || !store.has_due_messages(&lane.provider.name, now).await? {
            return Ok(Vec::new());
        }
        let claim = i64::try_from(random_below(i64::MAX.unsigned_abs())).unwrap_or(1);
        let mut tx = spending::begin(&self.services).await?;
        let most = i64::try_from(room).unwrap_or(1);
        // Single messages do not wait for campaigns.
        let single = tx.claim_messages(&lane.provider.name, claim, now, most).await?;
        let rest = most.saturating_sub(i64::try_from(single).unwrap_or(most));
        if rest > 0 && tx.claim_of_campaigns(&lane.provider.name, claim, now, rest).await? > 0 {
            tx.run_campaigns(claim).await?;
        }
        if let Err(error) = tx.commit().await {
            tracing::warn!(%error, "claim in doubt");
        }
        self.read_claimed(claim).await
    }

    /// Reads the messages of a claim, whatever the outcome of its commit, once a commit still under way has ended.
    pub(super) async fn read_claimed(&self, claim: i64) -> Result<Vec<ClaimedMessage>, StoreError> {
        let store = &self.services.store;
        loop {
            // When the process stops first, they were not submitted, but the next process cannot know that.
            let patience = Patience::UntilStop(&self.stop);
            let is_settled = store.wait_for_writers(patience).await;
            match store.claimed_messages(Some(claim), 0).await {
                Ok(claimed) if is_settled => return Ok(claimed),
                Ok(_) => return Err(sqlx::Error::PoolTimedOut.into()),
                Err(error) if !is_settled => return Err(error),
                Err(error) => tracing::debug!(%error, "claim still in doubt"),
            }
        }
    }

    /// Submits a claimed message to its provider, at its pace, and queues the outcome.
    pub(super) async fn submit(
        &self,
        lane: &Lane,
        message: ClaimedMessage,
        reply: Option<oneshot::Sender<Ended>>,
    ) {
        tokio::select! {
            () = lane.pace.wait_for_slot() => {}
            () = self.stop.cancelled() => {
                let reason = "the service was being stopped".to_owned();
                self.queue_outcome(lane, message, Submitted::NotAccepted { reason, pause: None }, reply).await;
                return;
            }
        }
        let account = self.memory.directory.account(message.account_id);
        if !account.is_some_and(|account| account.may_call()) {
            let reason = "the account is switched off".to_owned();
            self.queue_outcome(lane, message, Submitted::Refused { reason }, reply).await;
            return;
        }
        let outgoing = Outgoing {
            reference: message.reference.clone(),
            to: message.phone.clone(),
            sender_id: message.sender_id.clone(),
            text: message.body.clone(),
            encoding: Encoding::parse(&message.encoding),
            segments: message.segments,
        };
        let submitted = lane.provider.connector.submit(outgoing).await;
        match &submitted {
            Submitted::NotAccepted { pause, reason } => {
                tracing::debug!(provider = %lane.provider.name, %reason, "message not accepted");
                if let Some(pause) = pause {
                    lane.pace.record_failure(*pause);
                }
            }
            // A provider that does not answer gets a pause, lest a campaign end as unknown.
            Submitted::Unknown { reason, .. } => {
                tracing::debug!(provider = %lane.provider.name, %reason, "message outcome unknown");
                lane.pace.record_failure(NO_ANSWER_PAUSE);
            }
            Submitted::Accepted(_) | Submitted::Refused { .. } => lane.pace.record_success(),
        }
        let submitted = match submitted {
            Submitted::Unknown { reason, accepted } if accepted.upstream_ids.is_empty() => {
                match self.search(lane, &message).await {
                    Some(found) => Submitted::Accepted(found),
                    None => Submitted::Unknown { reason, accepted },
                }
            }
            known => known,
        };
        self.queue_outcome(lane, message, submitted, reply).await;
    }

    /// Searches a provider for a message that it may have accepted, by our reference; several times, since it may take a moment.
    async fn search(&self, lane: &Lane, message: &ClaimedMessage) -> Option<Accepted> {
        if !lane.provider.connector.can_find() {
            return None;
        }
        for wait in QUESTIONS {
            self.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
            let found = lane.provider.connector.find(&message.reference, &message.phone).await;
            if let Found::Accepted(accepted) = found {
                return Some(accepted);
            }
        }
        None
    }

    pub(super) async fn queue_outcome(
        &self,
        lane: &Lane,
        message: ClaimedMessage,
        submitted: Submitted,
        reply: Option<oneshot::Sender<Ended>>,
    ) {
        let outcome = Outcome {
            message,
            submitted,
            currency: lane.provider.currency.clone(),
            is_asked: lane.provider.connector.needs_polling(),
            can_find: lane.provider.connector.can_find(),
            reply,
        };
        self.enqueue(outcome).await;
    }

    pub(super) async fn enqueue(&self, outcome: Outcome) {
        if let Err(lost) = self.outcomes.send(outcome).await {
            tracing::error!(message.id = lost.0.message.id, "message outcome lost: the service has ended");
        }
    }

    /// Reads the messages that an earlier process was sending when it ended.
    pub(super) async fn read_interrupted(&self) -> Result<Vec<ClaimedMessage>, StoreError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.services.store.claimed_messages(None, after).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.id;
            all.extend(page);
        }
    }

    /// Resolves the outcome of a message that an earlier process was sending.
    pub(super) async fn resolve_interrupted(&self, message: ClaimedMessage) {
        let Some(lane) = self.lane(&message.provider) else {
            let reason = "the process ended while it was being sent, and its provider is not set up any more";
            let submitted = Submitted::Unknown { reason: reason.to_owned(), accepted: Accepted::default() };
            let currency = self.services.currency().to_owned();
            self.enqueue(Outcome {
                message,
                submitted,
                currency,
                is_asked: false,
                can_find: false,
                reply: None,
            })
            .await;
            return;
        };
        if let Some(accepted) = self.search(lane, &message).await {
            self.queue_outcome(lane, message, Submitted::Accepted(accepted), None).await;
            return;
        }
        let reason = "the process ended while it was being sent, and the provider cannot tell".to_owned();
        let unknown = Submitted::Unknown { reason, accepted: Accepted::default() };
        self.queue_outcome(lane, message, unknown, None).await;
    }
}
