//! Periodic housekeeping: finishes cancelled campaigns of an earlier process, discards campaigns whose writing was
//! interrupted, and rejects messages for a provider that is not configured any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::connector::Submitted;
use super::outcome::Outcome;
use super::service::Messaging;
use crate::accounts::spending;
use crate::secrets::random_below;
use crate::store::StoreError;

/// Interval of housekeeping.
const EVERY: Duration = Duration::from_secs(10);
/// Time for which messages wait for a provider that is not configured: it may have been removed by mistake.
const PROVIDER_AWAITED: SignedDuration = SignedDuration::from_hours(24);
/// Messages of such a provider that are rejected in one transaction.
const AT_ONCE: i64 = 100;

/// Runs until `stop`.
pub(super) async fn run(messaging: Arc<Messaging>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = messaging.discard_interrupted().await {
            tracing::warn!(%error, "interrupted campaigns not discarded yet");
        }
        if let Err(error) = messaging.finish_cancelling().await {
            tracing::warn!(%error, "cancelled campaigns not finished");
        }
        if let Err(error) = messaging.reject_for_missing_providers(&stop).await {
            tracing::warn!(%error, "messages of removed providers not rejected");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Messaging {
    /// Finishes the cancellation of campaigns. A failure of one does not stop the others.
    async fn finish_cancelling(&self) -> Result<(), StoreError> {
        for campaign in self.services.store.campaigns_to_cancel().await? {
            if let Err(error) = self.cancel_rest(&campaign).await {
                tracing::warn!(campaign.id = campaign.id, %error, "cancelled campaign not finished");
            }
        }
        Ok(())
    }

    /// Rejects messages that have been due for a day for a provider that is not configured, and releases their holds.
    async fn reject_for_missing_providers(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let late = self.services.clock.now() - PROVIDER_AWAITED;
        for queue in self.services.store.waiting_messages().await? {
            if self.lane(&queue.provider).is_some() || queue.first_due > late {
                continue;
            }
            while !stop.is_cancelled() {
                let claim = i64::try_from(random_below(i64::MAX.unsigned_abs())).unwrap_or(1);
                let mut tx = spending::begin(&self.services).await?;
                let single = tx.claim_messages(&queue.provider, claim, late, AT_ONCE).await?;
                let of_campaigns = tx.claim_of_campaigns(&queue.provider, claim, late, AT_ONCE).await?;
                tx.run_campaigns(claim).await?;
                if single + of_campaigns == 0 {
                    break;
                }
                if let Err(error) = tx.commit().await {
                    tracing::warn!(%error, "claim in doubt");
                }
                // None may stay in state SENDING: for the next process its outcome would be unknown.
                for message in self.read_claimed(claim).await? {
                    let reason = "its provider is not set up any more".to_owned();
                    let currency = self.services.currency().to_owned();
                    let submitted = Submitted::Refused { reason };
                    self.enqueue(Outcome {
                        message,
                        submitted,
                        currency,
                        is_asked: false,
                        can_find: false,
                        reply: None,
                    })
                    .await;
                }
            }
        }
        Ok(())
    }
}
