//! Writing a campaign: its credit is held first, then its messages are staged some at a time, then it is published.
//!
//! A campaign whose cost cannot be held writes nothing. If the writing is interrupted by an error or a crash, the campaign is
//! discarded: its messages are deleted and its hold is released.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::error::SendError;
use super::prepare::{Placement, Prepared, new_reference};
use super::service::Messaging;
use crate::accounts::spending::{self, Record, Spending};
use crate::store::campaigns::NewCampaign;
use crate::store::idempotency::RememberedAnswer;
use crate::store::messages::{MessageState, NewMessage};
use crate::store::{CommitError, Evidence, Patience, StoreError, Tx};

/// Recipients in one transaction: on the embedded database calls wait for it.
const AT_ONCE: usize = 500;

/// A campaign without messages, written with its hold.
struct Held<'a> {
    campaign: &'a NewCampaign,
    at: Timestamp,
}

impl Record for Held<'_> {
    type Refused = std::convert::Infallible;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), Self::Refused>, StoreError> {
        tx.insert_campaign(self.campaign, self.at).await?;
        Ok(Ok(()))
    }
}

impl Evidence for Held<'_> {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.campaign_now(self.campaign.id).await?.is_some())
    }
}

struct IsPublished(i64);

impl Evidence for IsPublished {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.campaign_now(self.0).await?.is_some_and(|campaign| campaign.state != "STAGING"))
    }
}

struct IsDiscarded(i64);

impl Evidence for IsDiscarded {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.campaign_now(self.0).await?.is_none())
    }
}

impl Messaging {
    /// Writes a campaign: on return it is durable, its credit is held, and it will be sent.
    pub async fn queue_campaign(
        &self,
        prepared: &Prepared,
        id: i64,
        scheduled_at: Option<Timestamp>,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let campaign = NewCampaign {
            id,
            account_id: prepared.account.id,
            reference: new_reference(),
            provider: prepared.provider.name.clone(),
            sender_id: prepared.sender_id.clone(),
            body: prepared.text().to_owned(),
            encoding: prepared.counted.encoding.as_str(),
            segments: prepared.counted.segments,
            scheduled_at,
        };
        let reserved = self.unsent.reserve(prepared.shares(), prepared.recipient_count())?;
        let under_way = self.staging.begin(id);
        let held = Held { campaign: &campaign, at: self.services.clock.now() };
        spending::set_aside(&self.services, Spending::Sms, &campaign.reference, prepared.shares(), &held)
            .await?;
        let written = async {
            self.stage(&campaign, prepared).await?;
            self.publish(id, prepared, remembered).await
        };
        if let Err(error) = written.await {
            if let Err(left) = self.discard_campaign(id).await {
                tracing::warn!(campaign.id = id, error = %left, "campaign not discarded yet");
            }
            return Err(error.into());
        }
        drop(under_way);
        reserved.written();
        self.wake(&campaign.provider);
        Ok(())
    }

    /// Writes the messages, some at a time. They are not sent before the campaign is published.
    async fn stage(&self, campaign: &NewCampaign, prepared: &Prepared) -> Result<(), StoreError> {
        let mut ids = self.ids(prepared.recipient_count()).await?..;
        let now = self.services.clock.now();
        for some in prepared.recipients().chunks(AT_ONCE) {
            let messages: Vec<NewMessage> = some
                .iter()
                .zip(&mut ids)
                .map(|(recipient, id)| {
                    let placement = Placement {
                        id,
                        campaign_id: Some(campaign.id),
                        state: MessageState::Queued,
                        scheduled_at: campaign.scheduled_at,
                        due_at: campaign.scheduled_at.unwrap_or(now),
                    };
                    prepared.message(recipient, placement)
                })
                .collect();
            let mut tx = spending::begin(&self.services).await?;
            tx.insert_messages(&messages, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        id: i64,
        prepared: &Prepared,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), StoreError> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut tx = spending::begin(&self.services).await?;
        if !tx.publish_campaign(id, count(prepared.recipient_count()), count(prepared.rejected_count)).await?
        {
            let reason = format!("campaign {id} is not staged");
            return Err(StoreError::Inconsistent { table: "sms_campaigns", reason });
        }
        if let Some(answer) = remembered {
            tx.remember_answer(answer).await?;
        }
        let committed = self.services.store.commit(tx, &IsPublished(id), Patience::Unlimited).await;
        committed.map_err(CommitError::into_store_error)
    }

    /// Discards campaigns whose writing was interrupted. A failure of one does not stop the others.
    pub(super) async fn discard_interrupted(&self) -> Result<(), StoreError> {
        for id in self.services.store.staged_campaigns().await? {
            let is_under_way = self.staging.ids().contains(&id);
            if !is_under_way && let Err(error) = self.discard_campaign(id).await {
                tracing::warn!(campaign.id = id, %error, "campaign not discarded yet");
            }
        }
        Ok(())
    }

    /// Deletes a campaign that is not published, and releases its hold.
    async fn discard_campaign(&self, id: i64) -> Result<(), StoreError> {
        let _alone = self.staging.discarding.lock().await;
        self.services.store.discard_messages(id).await?;
        let mut tx = spending::begin(&self.services).await?;
        let Some(held) = tx.discard_campaign(id).await? else {
            return tx.rollback().await;
        };
        // Before the commit: the wallets must be able to follow it.
        let shares = self.load_shares(&held).await?;
        let committed = self.services.store.commit(tx, &IsDiscarded(id), Patience::Unlimited).await;
        committed.map_err(CommitError::into_store_error)?;
        if !shares.is_empty() {
            let amounts = spending::amounts(&shares);
            spending::follow(&self.services, &shares, &amounts, &vec![Money::ZERO; amounts.len()]).await;
        }
        tracing::info!(campaign.id = id, "campaign discarded");
        Ok(())
    }
}
