//! One text to many: its recipients with their prices, and its cancellation. How it is written is in `staging`.

use tollgate_rating::Money;

use super::error::CancelError;
use super::service::Messaging;
use crate::accounts::spending::{self, Question};
use crate::store::campaigns::{CampaignProgress, CampaignRecord};
use crate::store::messages::{MessageState, Payers};
use crate::store::{StoreError, Tx};

/// Messages called back in one transaction.
const CANCELLED_AT_ONCE: i64 = 250;

/// A campaign called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// How many of its messages will not be sent.
    pub recipients: i64,
}

/// Whether a message of a campaign was called back. Nobody else calls it back meanwhile.
struct IsCalledBack(i64);

impl Question for IsCalledBack {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        // A cancelled one may have been deleted since.
        Ok(tx.message_state(self.0).await?.is_none_or(|state| state == MessageState::Cancelled))
    }
}

impl Messaging {
    /// Calls an account's campaign back: what was not taken to be sent will not be.
    pub async fn cancel_campaign(&self, account_id: i64, id: i64) -> Result<Cancelled, CancelError> {
        let found = self.services.store.campaign(id).await?;
        let found = found.filter(|campaign| campaign.account_id == account_id && campaign.state != "STAGING");
        let campaign = found.ok_or(CancelError::Unknown)?;
        let mut tx = spending::begin(&self.services).await?;
        if !tx.cancel_campaign(id, account_id).await? {
            let now = tx.campaign_now(id).await?.map_or(campaign.state, |campaign| campaign.state);
            return Err(CancelError::TooLate { state: now });
        }
        tx.commit().await?;
        Ok(Cancelled { recipients: self.cancel_rest(&campaign).await? })
    }

    /// Gives back what is set aside for the messages of a cancelled campaign that still wait. They are cancelled some at a
    /// time; what a crash leaves is done at the next start.
    pub(super) async fn cancel_rest(&self, campaign: &CampaignRecord) -> Result<i64, StoreError> {
        // One at a time, so that it can be told whose calling back a message was.
        let _alone = self.cancelling_campaigns.lock().await;
        let (mut all, mut after) = (0, 0);
        loop {
            let now = self.services.clock.now();
            let mut tx = spending::begin(&self.services).await?;
            let some = tx.cancel_some(campaign.id, after, CANCELLED_AT_ONCE, now).await?;
            let Some((last, _)) = some.last() else {
                tx.rollback().await?;
                return Ok(all);
            };
            let called_back = IsCalledBack(*last);
            after = *last;
            let count = i64::try_from(some.len()).unwrap_or(i64::MAX);
            let sums = sums(&some)?;
            let amounts: Vec<Money> = sums.iter().map(|(_, amount)| *amount).collect();
            spending::take(&mut tx, &campaign.reference, &amounts).await?;
            let progress = CampaignProgress { cancelled: count, ..CampaignProgress::default() };
            tx.count_campaign(campaign.id, progress, now).await?;
            // Before the commit: what the book does, wallets must be able to follow.
            let shares = self.load_shares(&sums).await?;
            if let Err(error) = tx.commit().await
                && !spending::until_known(&self.services, &called_back).await
            {
                return Err(error);
            }
            spending::follow(&self.services, &shares, &amounts, &vec![Money::ZERO; amounts.len()]).await;
            all += count;
        }
    }
}

/// What each payer would have paid in all. A campaign's messages have the same payers.
fn sums(some: &[(i64, Payers)]) -> Result<Payers, StoreError> {
    let mut sums: Payers = some.first().map(|(_, payers)| payers.clone()).unwrap_or_default();
    for (_, payers) in some.iter().skip(1) {
        for ((id, sum), (payer, amount)) in sums.iter_mut().zip(payers) {
            let added = sum.checked_add(*amount).filter(|_| id == payer);
            *sum = added.ok_or_else(|| StoreError::Inconsistent {
                table: "sms_messages",
                reason: "a campaign's messages are paid by different payers".to_owned(),
            })?;
        }
    }
    Ok(sums)
}
