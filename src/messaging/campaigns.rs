//! The cancellation of campaigns.

use tollgate_rating::Money;

use super::error::CancelError;
use super::service::Messaging;
use crate::accounts::spending;
use crate::store::campaigns::{CampaignProgress, CampaignRecord};
use crate::store::messages::{MessageState, Payers};
use crate::store::{CommitError, Evidence, Patience, StoreError, Tx};

/// Messages cancelled in one transaction.
const CANCELLED_AT_ONCE: i64 = 250;

/// The result of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Number of its messages that will not be sent.
    pub recipients: i64,
}

/// Asks whether a message of a campaign was cancelled.
struct IsCancelled(i64);

impl Evidence for IsCancelled {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        // A cancelled one may have been deleted since.
        Ok(tx.message_state(self.0).await?.is_none_or(|state| state == MessageState::Cancelled))
    }
}

impl Messaging {
    /// Cancels an account's campaign: its messages that are not claimed yet will not be sent.
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

    /// Cancels the waiting messages of a cancelled campaign and releases their holds, some at a time. A crash leaves the rest
    /// to the next start.
    pub(super) async fn cancel_rest(&self, campaign: &CampaignRecord) -> Result<i64, StoreError> {
        // One at a time, so that a cancelled message is known to be cancelled by this call.
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
            let cancelled = IsCancelled(*last);
            after = *last;
            let count = i64::try_from(some.len()).unwrap_or(i64::MAX);
            let sums = sums(&some)?;
            let amounts: Vec<Money> = sums.iter().map(|(_, amount)| *amount).collect();
            spending::take(&mut tx, &campaign.reference, &amounts).await?;
            let progress = CampaignProgress { cancelled: count, ..CampaignProgress::default() };
            tx.count_campaign(campaign.id, progress, now).await?;
            // Before the commit: the wallets must be able to follow the ledger.
            let shares = self.load_shares(&sums).await?;
            let committed = self.services.store.commit(tx, &cancelled, Patience::Unlimited).await;
            committed.map_err(CommitError::into_store_error)?;
            spending::follow(&self.services, &shares, &amounts, &vec![Money::ZERO; amounts.len()]).await;
            all += count;
        }
    }
}

/// The sum of the held amounts of each payer. The messages of a campaign have the same payers.
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
