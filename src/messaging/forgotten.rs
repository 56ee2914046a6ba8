//! What nobody would come back to: campaigns that were called back when a process ended, campaigns whose writing was
//! interrupted, and messages for a provider that is not set up any more.

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

/// How often it is looked after them.
const EVERY: Duration = Duration::from_secs(10);
/// How long messages wait for a provider that is not set up: somebody may have taken it out by mistake.
const PROVIDER_AWAITED: SignedDuration = SignedDuration::from_hours(24);
/// Messages of such a provider that are given back at once.
const AT_ONCE: i64 = 100;

/// Looks after all of them until `stop`.
pub(super) async fn look_after(messaging: Arc<Messaging>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = messaging.discard_interrupted().await {
            tracing::warn!(%error, "interrupted campaigns are not discarded yet");
        }
        if let Err(error) = messaging.finish_cancelling().await {
            tracing::warn!(%error, "campaigns that were called back are not finished");
        }
        if let Err(error) = messaging.give_back_for_missing_providers(&stop).await {
            tracing::warn!(%error, "messages for providers that are not set up were not given back");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Messaging {
    /// Calls back what is left of campaigns that were called back. One that cannot be does not keep the others.
    async fn finish_cancelling(&self) -> Result<(), StoreError> {
        for campaign in self.services.store.campaigns_to_cancel().await? {
            if let Err(error) = self.cancel_rest(&campaign).await {
                tracing::warn!(campaign.id = campaign.id, %error, "a campaign that was called back is not finished");
            }
        }
        Ok(())
    }

    /// Refuses messages that have been due for a day for a provider that is not set up: their credit is given back.
    async fn give_back_for_missing_providers(&self, stop: &CancellationToken) -> Result<(), StoreError> {
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
                    tracing::warn!(%error, "it is asked whether messages were taken to be given back");
                }
                // None may stay behind as being sent: the next process would take it for one that perhaps was.
                for message in self.taken_under(claim).await? {
                    let reason = "its provider is not set up any more".to_owned();
                    let currency = self.services.currency().to_owned();
                    let submitted = Submitted::Refused { reason };
                    self.record(Outcome {
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
