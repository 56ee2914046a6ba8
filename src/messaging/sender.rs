//! Messages that are due are taken, given to their provider, once, and what becomes of them is written.
//!
//! Before a provider is asked the message is written as being sent, in a commit of its own. Whatever happens afterwards it
//! is not taken again: a process that finds such a message asks the provider whether it has it, and where the provider
//! cannot tell, says that it is not known.

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
use crate::store::{Reserved, StoreError, Tx};

/// How long nothing is looked for when nobody says that there is something.
const IDLE: Duration = Duration::from_millis(500);
/// How long it is waited where no message can be given at the moment.
const NO_ROOM: Duration = Duration::from_millis(20);
/// Messages of one provider that are at it at once.
const IN_FLIGHT: usize = 64;
/// How far ahead messages are taken: of those that wait for their place a process that is killed cannot say that they were
/// not sent.
const AHEAD: Duration = Duration::from_millis(100);
/// The waits before a provider is asked about a message that it may have: it may take a moment until it knows.
const QUESTIONS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];
/// How long a provider that did not answer is left alone.
const NO_ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// Sends one provider's messages as they become due, until `stop`.
pub(super) async fn send_due(messaging: Arc<Messaging>, lane: Arc<Lane>, stop: CancellationToken) {
    let window = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        let room = window.available_permits().min(lane.pace.room(AHEAD));
        if room == 0 {
            // There will be some in a moment, or after the provider's pause.
            tokio::select! {
                () = tokio::time::sleep(NO_ROOM) => continue,
                () = stop.cancelled() => return,
            }
        }
        match messaging.take_due(&lane, room).await {
            Ok(taken) if taken.is_empty() => {
                tokio::select! {
                    () = lane.wake.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
            }
            Ok(taken) => {
                for message in taken {
                    let reply = messaging.waiting().remove(&message.id);
                    // There are as many as were asked for.
                    let Ok(place) = Arc::clone(&window).acquire_owned().await else { return };
                    let (giving, lane) = (Arc::clone(&messaging), Arc::clone(&lane));
                    let sending = async move {
                        giving.give(&lane, message, reply).await;
                        drop(place);
                    };
                    messaging.begin(sending);
                }
            }
            Err(error) => {
                tracing::warn!(provider = %lane.provider.name, %error, "messages that are due could not be taken");
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
    /// Takes messages that are due, at most so many.
    async fn take_due(&self, lane: &Lane, room: usize) -> Result<Vec<ClaimedMessage>, StoreError> {
        let store = &self.services.store;
        let now = self.services.clock.now();
        let trusted = self.services.ownership.is_trusted(&self.services.clock.moment());
        if !trusted || !store.has_due_messages(&lane.provider.name, now).await? {
            return Ok(Vec::new());
        }
        let claim = i64::try_from(random_below(i64::MAX.unsigned_abs())).unwrap_or(1);
        let mut tx = spending::begin(&self.services).await?;
        let most = i64::try_from(room).unwrap_or(1);
        // Whoever sends one by itself does not wait for campaigns.
        let single = tx.claim_messages(&lane.provider.name, claim, now, most).await?;
        let rest = most.saturating_sub(i64::try_from(single).unwrap_or(most));
        if rest > 0 && tx.claim_of_campaigns(&lane.provider.name, claim, now, rest).await? > 0 {
            tx.run_campaigns(claim).await?;
        }
        if let Err(error) = tx.commit().await {
            tracing::warn!(%error, "it is asked whether messages were taken");
        }
        self.taken_under(claim).await
    }

    /// The messages that were taken under a name, whether or not the commit that took them was heard of. It is asked until it
    /// is known, under the lock that a commit still under way would hold.
    pub(super) async fn taken_under(&self, claim: i64) -> Result<Vec<ClaimedMessage>, StoreError> {
        let store = &self.services.store;
        loop {
            let asked = async {
                let mut tx: Tx = store.begin().await?;
                tx.reserve_ids(Reserved::default()).await?;
                tx.rollback().await?;
                store.claimed_messages(Some(claim), 0).await
            };
            match asked.await {
                Ok(taken) => return Ok(taken),
                Err(error) => {
                    tracing::debug!(%error, "it is not known yet which messages were taken");
                    if self.stop.is_cancelled() {
                        // They were given to nobody, but the next process cannot know that.
                        return Err(error);
                    }
                    tokio::time::sleep(IDLE).await;
                }
            }
        }
    }

    /// Gives a message that was taken to its provider, at its pace, and hands on what becomes of it.
    pub(super) async fn give(
        &self,
        lane: &Lane,
        message: ClaimedMessage,
        reply: Option<oneshot::Sender<Ended>>,
    ) {
        tokio::select! {
            () = lane.pace.place() => {}
            () = self.stop.cancelled() => {
                let reason = "the service was being stopped".to_owned();
                self.hand_on(lane, message, Submitted::NotTaken { reason, pause: None }, reply).await;
                return;
            }
        }
        let account = self.calls.directory.account(message.account_id);
        if !account.is_some_and(|account| account.may_call()) {
            let reason = "the account is switched off".to_owned();
            self.hand_on(lane, message, Submitted::Refused { reason }, reply).await;
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
            Submitted::NotTaken { pause, reason } => {
                tracing::debug!(provider = %lane.provider.name, %reason, "a message was not taken");
                if let Some(pause) = pause {
                    lane.pace.not_taken(*pause);
                }
            }
            // Whoever does not answer is not well: a campaign must not run into it.
            Submitted::Unknown { reason, .. } => {
                tracing::debug!(provider = %lane.provider.name, %reason, "a message may have been taken");
                lane.pace.not_taken(NO_ANSWER_PAUSE);
            }
            Submitted::Accepted(_) | Submitted::Refused { .. } => lane.pace.taken(),
        }
        let submitted = match submitted {
            Submitted::Unknown { reason, taken } if taken.upstream_ids.is_empty() => {
                match self.search(lane, &message).await {
                    Some(found) => Submitted::Accepted(found),
                    None => Submitted::Unknown { reason, taken },
                }
            }
            known => known,
        };
        self.hand_on(lane, message, submitted, reply).await;
    }

    /// Asks a provider by our reference for a message that it may have; some times, since it may take a moment to know.
    async fn search(&self, lane: &Lane, message: &ClaimedMessage) -> Option<Accepted> {
        if !lane.provider.connector.can_find() {
            return None;
        }
        for wait in QUESTIONS {
            self.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
            let found = lane.provider.connector.find(&message.reference, &message.phone).await;
            if let Found::Taken(accepted) = found {
                return Some(accepted);
            }
        }
        None
    }

    pub(super) async fn hand_on(
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
            is_asked: lane.provider.connector.is_asked(),
            can_find: lane.provider.connector.can_find(),
            reply,
        };
        self.record(outcome).await;
    }

    pub(super) async fn record(&self, outcome: Outcome) {
        if let Err(lost) = self.outcomes.send(outcome).await {
            tracing::error!(message.id = lost.0.message.id, "the outcome of a message comes after the end");
        }
    }

    /// Messages that an earlier process was sending when it ended.
    pub(super) async fn left_over(&self) -> Result<Vec<ClaimedMessage>, StoreError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.services.store.claimed_messages(None, after).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.id;
            all.extend(page);
        }
    }

    /// Finds out what became of a message that an earlier process was sending.
    pub(super) async fn find_out(&self, message: ClaimedMessage) {
        let Some(lane) = self.lane(&message.provider) else {
            let reason = "the process ended while it was being sent, and its provider is not set up any more";
            let submitted = Submitted::Unknown { reason: reason.to_owned(), taken: Accepted::default() };
            let currency = self.services.currency().to_owned();
            self.record(Outcome {
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
            self.hand_on(lane, message, Submitted::Accepted(accepted), None).await;
            return;
        }
        let reason = "the process ended while it was being sent, and the provider cannot tell".to_owned();
        let unknown = Submitted::Unknown { reason, taken: Accepted::default() };
        self.hand_on(lane, message, unknown, None).await;
    }
}
