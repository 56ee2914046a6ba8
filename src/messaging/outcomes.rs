//! Records the outcomes of submitted messages, many in a transaction: the new state of a message and its money together. The
//! wallets follow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate_rating::Money;

use super::connector::{Accepted, Submitted};
use super::outcome::{Ended, Outcome};
use super::receipts;
use super::service::Messaging;
use crate::accounts::spending::{self, Share, Spending};
use crate::ledger::Posting;
use crate::store::campaigns::CampaignProgress;
use crate::store::messages::{ClaimedMessage, MessageEnd, MessageState};
use crate::store::{Evidence, Patience, StoreError, Tx};

/// Outcomes in the queue; further ones wait.
pub(super) const QUEUE: usize = 1_024;
/// The most in one transaction: on the embedded database calls wait for it.
const AT_ONCE: usize = 100;
/// The wait before a failed write is repeated.
const RETRY: Duration = Duration::from_millis(200);
/// Time until the status of a message is polled first.
const FIRST_QUESTION: SignedDuration = SignedDuration::from_secs(10);
/// The wait before a message that was not accepted is tried again, times the number of tries; at most a minute.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// The record of an outcome.
struct Ending {
    state: MessageState,
    end: MessageEnd,
    /// True if the payers are charged their shares.
    charged: bool,
    /// True if nothing is held for it any more.
    is_over: bool,
    parts: Vec<String>,
}

/// Asks whether a claimed message has ended. The next claim of it has another number.
struct HasEnded {
    id: i64,
    claim: i64,
}

impl Evidence for HasEnded {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(!tx.is_claimed(self.id, self.claim).await?)
    }
}

/// Writes outcomes until `stop` is cancelled and none is left.
pub(super) async fn write_all(
    messaging: Arc<Messaging>,
    mut queue: mpsc::Receiver<Outcome>,
    stop: CancellationToken,
) {
    loop {
        let mut batch = Vec::new();
        let received = tokio::select! {
            // The queue is emptied first: when `stop` is cancelled no further outcome is queued.
            biased;
            received = queue.recv_many(&mut batch, AT_ONCE) => received,
            () = stop.cancelled() => return,
        };
        if received == 0 {
            return;
        }
        messaging.write_outcomes(batch, &stop).await;
    }
}

impl Messaging {
    /// Writes a batch; where one of it cannot be written, each on its own.
    async fn write_outcomes(&self, batch: Vec<Outcome>, stop: &CancellationToken) {
        match self.write_together(&batch, stop).await {
            Ok(endings) => self.notify_requests(batch, endings),
            Err(error) if batch.len() > 1 && !error.is_unavailable() => {
                tracing::warn!(%error, "message outcomes written one by one");
                for outcome in batch {
                    let alone = vec![outcome];
                    match self.write_together(&alone, stop).await {
                        Ok(endings) => self.notify_requests(alone, endings),
                        Err(error) => log_unwritten(&alone, &error),
                    }
                }
            }
            Err(error) => log_unwritten(&batch, &error),
        }
    }

    fn notify_requests(&self, batch: Vec<Outcome>, endings: Vec<Ending>) {
        for (outcome, ending) in batch.into_iter().zip(endings) {
            self.services.metrics.message_ended(ending.state.as_str());
            if ending.state == MessageState::Unknown {
                tracing::warn!(
                    message.id = outcome.message.id,
                    provider = %outcome.message.provider,
                    reason = ending.end.failure.as_deref().unwrap_or_default(),
                    "message outcome unknown: charged and not sent again"
                );
            }
            if let Some(reply) = outcome.reply {
                // The request may be gone.
                let _ = reply.send(Ended { state: ending.state, failure: ending.end.failure });
            }
        }
    }

    /// Writes all or none, again and again while the database is away.
    async fn write_together(
        &self,
        batch: &[Outcome],
        stop: &CancellationToken,
    ) -> Result<Vec<Ending>, StoreError> {
        let mut shares = Vec::with_capacity(batch.len());
        for outcome in batch {
            shares.push(retry_while_unavailable(stop, || self.load_shares(&outcome.message.payers)).await?);
        }
        loop {
            let mut tx = match spending::begin(&self.services).await {
                Ok(tx) => tx,
                Err(error) => {
                    wait_until_available(error, stop).await?;
                    continue;
                }
            };
            let endings = match self.write_in(&mut tx, batch, &shares).await {
                Ok(endings) => endings,
                Err(error) => {
                    drop(tx);
                    wait_until_available(error, stop).await?;
                    continue;
                }
            };
            // All of them are committed, or none.
            let Some(Outcome { message, .. }) = batch.first() else { return Ok(endings) };
            let ended = HasEnded { id: message.id, claim: message.claim };
            if self.services.store.commit(tx, &ended, Patience::Unlimited).await.is_err() {
                continue;
            }
            for (ending, shares) in endings.iter().zip(&shares) {
                if ending.charged {
                    self.unsent.sent(shares.iter().map(|share| share.account.id));
                }
                let held = spending::amounts(shares);
                if ending.charged {
                    spending::follow(&self.services, shares, &held, &held).await;
                } else if ending.is_over {
                    spending::follow(&self.services, shares, &held, &vec![Money::ZERO; held.len()]).await;
                }
            }
            return Ok(endings);
        }
    }

    async fn write_in(
        &self,
        tx: &mut Tx,
        batch: &[Outcome],
        shares: &[Vec<Share>],
    ) -> Result<Vec<Ending>, StoreError> {
        let now = self.services.clock.now();
        let mut endings = Vec::with_capacity(batch.len());
        for outcome in batch {
            endings.push(self.decide_ending(tx, outcome).await?);
        }
        let tx_ids = self.post(tx, batch, shares, &endings).await?;
        let mut taken: BTreeMap<&str, Vec<Money>> = BTreeMap::new();
        let mut campaigns: BTreeMap<i64, CampaignProgress> = BTreeMap::new();
        for (((outcome, ending), shares), tx_id) in batch.iter().zip(&mut endings).zip(shares).zip(tx_ids) {
            let message = &outcome.message;
            ending.end.tx_id = tx_id;
            if !tx.end_message((message.id, message.claim), ending.state, &ending.end, now).await? {
                let reason = format!("message {} has ended already", message.id);
                return Err(StoreError::Inconsistent { table: "sms_messages", reason });
            }
            if !ending.is_over {
                continue;
            }
            add(taken.entry(&message.held_under).or_default(), shares)?;
            if let Some(campaign_id) = message.campaign_id {
                let cost =
                    shares.first().filter(|_| ending.charged).map_or(Money::ZERO, |share| share.amount);
                count(campaigns.entry(campaign_id).or_default(), ending.state, cost)?;
            }
        }
        for (held_under, amounts) in taken {
            spending::take(tx, held_under, &amounts).await?;
        }
        for (campaign_id, progress) in campaigns {
            tx.count_campaign(campaign_id, progress, now).await?;
        }
        // Last: a receipt that came before the provider's answer needs the rows above.
        for (outcome, ending) in batch.iter().zip(&endings) {
            for upstream_id in &ending.parts {
                tx.insert_part(&outcome.message.provider, upstream_id, outcome.message.id, now).await?;
            }
            if !ending.parts.is_empty() {
                receipts::conclude(tx, outcome.message.id, now).await?;
            }
        }
        Ok(endings)
    }

    /// Posts what is charged; for each outcome the transaction that does.
    async fn post(
        &self,
        tx: &mut Tx,
        batch: &[Outcome],
        shares: &[Vec<Share>],
        endings: &[Ending],
    ) -> Result<Vec<Option<i64>>, StoreError> {
        let postings: Vec<Option<Posting>> = batch
            .iter()
            .zip(shares)
            .zip(endings)
            .map(|((outcome, shares), ending)| {
                let message = &outcome.message;
                let note = format!("message {} to {}", message.id, message.phone);
                let due =
                    || spending::posting(&self.services, Spending::Sms, &message.reference, shares, &note);
                ending.charged.then(due).flatten()
            })
            .collect();
        let due: Vec<&Posting> = postings.iter().flatten().collect();
        let mut posted = tx.post_all(&due, self.services.clock.now()).await?.into_iter();
        let mut tx_ids = Vec::with_capacity(batch.len());
        for posting in &postings {
            tx_ids.push(match posting.as_ref().and_then(|_| posted.next()) {
                None => None,
                Some(Ok(posted)) if !posted.duplicate => Some(posted.tx_id),
                Some(Ok(posted)) => {
                    let reason = format!("a message was charged before, by transaction {}", posted.tx_id);
                    return Err(StoreError::Inconsistent { table: "posting_references", reason });
                }
                Some(Err(refusal)) => {
                    let reason = refusal.to_string();
                    return Err(StoreError::Inconsistent { table: "entries", reason });
                }
            });
        }
        Ok(tx_ids)
    }

    /// The record that follows from an outcome.
    async fn decide_ending(&self, tx: &mut Tx, outcome: &Outcome) -> Result<Ending, StoreError> {
        let now = self.services.clock.now();
        let message = &outcome.message;
        let over = |state, failure: Option<&String>| Ending {
            state,
            end: MessageEnd { failure: failure.map(|text| short(text)), ..MessageEnd::default() },
            charged: false,
            is_over: true,
            parts: Vec::new(),
        };
        let charged = |state, accepted: &Accepted, failure| {
            let has_name = !accepted.upstream_ids.is_empty();
            let mut ending = over(state, failure);
            ending.charged = true;
            ending.end.sent_at = Some(now);
            ending.end.upstream_cost = accepted.cost.map(|cost| (cost, outcome.currency.clone()));
            ending.end.ask_at = (outcome.is_asked && has_name).then(|| now + FIRST_QUESTION);
            ending.parts.clone_from(&accepted.upstream_ids);
            ending
        };
        Ok(match &outcome.submitted {
            Submitted::Accepted(accepted) => charged(MessageState::SentToProvider, accepted, None),
            Submitted::Unknown { reason, accepted } => {
                let mut ending = charged(MessageState::Unknown, accepted, Some(reason));
                if outcome.can_find {
                    ending.end.ask_at = Some(now + FIRST_QUESTION);
                }
                ending
            }
            Submitted::Refused { reason } => over(MessageState::Rejected, Some(reason)),
            Submitted::NotAccepted { reason, .. } => {
                let is_cancelled = match message.campaign_id {
                    None => false,
                    Some(id) => tx.campaign_now(id).await?.is_none_or(|it| it.state == "CANCELLED"),
                };
                if is_cancelled {
                    over(MessageState::Cancelled, None)
                } else if now >= self.give_up_at(message) {
                    over(MessageState::Failed, Some(reason))
                } else {
                    let wait = TRY_AGAIN * i32::try_from(message.attempts.clamp(1, 12)).unwrap_or(12);
                    let mut ending = over(MessageState::Queued, Some(reason));
                    ending.is_over = false;
                    ending.end.due_at = Some(now + wait);
                    ending.end.give_up_at = Some(self.give_up_at(message));
                    ending
                }
            }
        })
    }

    /// End of the time in which a message is tried, counted from its first try.
    fn give_up_at(&self, message: &ClaimedMessage) -> jiff::Timestamp {
        let patience = SignedDuration::from_secs(i64::from(self.services.config.sms.retry_for_seconds));
        message.give_up_at.unwrap_or_else(|| self.services.clock.now() + patience)
    }
}

/// Adds shares to sums, payer by payer.
fn add(sums: &mut Vec<Money>, shares: &[Share]) -> Result<(), StoreError> {
    sums.resize(sums.len().max(shares.len()), Money::ZERO);
    for (sum, share) in sums.iter_mut().zip(shares) {
        *sum = plus(*sum, share.amount)?;
    }
    Ok(())
}

fn plus(one: Money, other: Money) -> Result<Money, StoreError> {
    one.checked_add(other).ok_or_else(|| StoreError::Inconsistent {
        table: "held_credit",
        reason: "the sum of what messages cost is no amount".to_owned(),
    })
}

fn count(progress: &mut CampaignProgress, state: MessageState, cost: Money) -> Result<(), StoreError> {
    match state {
        MessageState::SentToProvider => progress.sent += 1,
        MessageState::Unknown => progress.unknown += 1,
        MessageState::Cancelled => progress.cancelled += 1,
        _ => progress.failed += 1,
    }
    progress.cost = plus(progress.cost, cost)?;
    Ok(())
}

/// A provider's text, cut to the length that is kept.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Logs outcomes that could not be written. Their messages stay as being sent: the next process resolves them.
fn log_unwritten(batch: &[Outcome], error: &StoreError) {
    for outcome in batch {
        tracing::error!(
            message.id = outcome.message.id,
            outcome = ?outcome.submitted,
            %error,
            "message outcome not written"
        );
    }
}

/// Waits if the database is unavailable and the process goes on; any other error is returned as it is.
async fn wait_until_available(error: StoreError, stop: &CancellationToken) -> Result<(), StoreError> {
    if !error.is_unavailable() || stop.is_cancelled() {
        return Err(error);
    }
    tracing::debug!(%error, "message outcomes wait for the database");
    tokio::time::sleep(RETRY).await;
    Ok(())
}

/// Repeats a query until the database answers.
async fn retry_while_unavailable<T, F: Future<Output = Result<T, StoreError>>>(
    stop: &CancellationToken,
    ask: impl Fn() -> F,
) -> Result<T, StoreError> {
    loop {
        match ask().await {
            Err(error) => wait_until_available(error, stop).await?,
            answered => return answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_error_that_is_not_waited_for_keeps_its_class() {
        let (running, stopped) = (CancellationToken::new(), CancellationToken::new());
        stopped.cancel();
        let refused = || StoreError::from(sqlx::Error::RowNotFound);
        let away = || StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(matches!(
            wait_until_available(refused(), &running).await,
            Err(StoreError::Sql(sqlx::Error::RowNotFound))
        ));
        let stale = wait_until_available(StoreError::StaleEpoch { epoch: 7 }, &running).await;
        assert!(matches!(stale, Err(StoreError::StaleEpoch { epoch: 7 })));
        wait_until_available(away(), &running).await.unwrap();
        // An outage at the stop is no refusal: the batch is not written row by row because of it.
        assert!(wait_until_available(away(), &stopped).await.unwrap_err().is_unavailable());
    }
}
