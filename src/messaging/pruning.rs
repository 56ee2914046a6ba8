//! Messages that were cancelled or refused, and campaigns that cost nothing, are kept for a time and in a number, then
//! deleted: some at a time, with pauses, so that no settlement waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::service::Messaging;
use crate::accounts::spending;
use crate::store::StoreError;
use crate::store::messages::MessageState;
use crate::store::unsent::UnsentMessages;

/// Interval of pruning.
const EVERY: Duration = Duration::from_mins(1);
/// Younger rows are kept: their writer may still ask whether they were committed.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);
/// Rows deleted in one transaction.
const AT_ONCE: i64 = 100;
/// The wait between two transactions: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// States that no message leaves.
const OVER: [MessageState; 3] = [MessageState::Cancelled, MessageState::Rejected, MessageState::Failed];

/// Deletes them until `stop`.
pub(super) async fn prune(messaging: Arc<Messaging>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(messaging.prune_once()).await {
            Some(Err(error)) => tracing::warn!(%error, "unsent messages not deleted"),
            Some(Ok(Pruned { messages: 0, campaigns: 0 })) | None => {}
            Some(Ok(pruned)) => {
                tracing::info!(pruned.messages, pruned.campaigns, "unsent messages deleted");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages.
    pub messages: i64,
    /// Campaigns.
    pub campaigns: i64,
}

impl Messaging {
    /// Reads how many messages are unsent.
    pub(super) async fn count_unsent(&self) -> Result<Vec<UnsentMessages>, StoreError> {
        self.unsent.begin_reading();
        let read = self.services.store.unsent_messages().await?;
        self.unsent.finish_reading(read.iter().map(|unsent| {
            let account = self.memory.directory.account(unsent.account_id);
            let chain = account.map(|account| account.chain().iter().map(|payer| payer.id).collect());
            (chain.unwrap_or_else(|| vec![unsent.account_id]), unsent.messages)
        }));
        Ok(read)
    }

    /// Deletes what is too old or too much, and counts what is left.
    pub async fn prune_once(&self) -> Result<Pruned, StoreError> {
        let limits = &self.services.config.limits;
        let now = self.services.clock.now();
        let old = now - SignedDuration::from_hours(24 * i64::from(limits.kept_unsent_days));
        let mut of_account: BTreeMap<i64, Vec<UnsentMessages>> = BTreeMap::new();
        for unsent in self.count_unsent().await? {
            if OVER.contains(&unsent.state) {
                of_account.entry(unsent.account_id).or_default().push(unsent);
            }
        }
        let mut pruned = Pruned::default();
        for (account_id, unsent) in of_account {
            let mut left: i64 = unsent.iter().map(|unsent| unsent.messages).sum();
            for state in unsent.iter().map(|unsent| unsent.state) {
                let deleted = self.delete_messages(account_id, state, old, i64::MAX).await?;
                left -= deleted;
                pruned.messages += deleted;
            }
            for state in OVER {
                let excess = left - i64::from(limits.kept_unsent_messages);
                let deleted = self.delete_messages(account_id, state, now - YOUNG, excess).await?;
                left -= deleted;
                pruned.messages += deleted;
            }
        }
        for of_account in self.services.store.uncharged_campaigns().await? {
            let id = of_account.account_id;
            if of_account.first_finished < old {
                pruned.campaigns += self.delete_campaigns(id, old, i64::MAX).await?;
            }
            let excess = of_account.campaigns - i64::from(limits.kept_campaigns);
            pruned.campaigns += self.delete_campaigns(id, now - YOUNG, excess).await?;
        }
        if pruned.messages > 0 {
            self.count_unsent().await?;
        }
        Ok(pruned)
    }

    /// Deletes messages, some at a time.
    async fn delete_messages(
        &self,
        account_id: i64,
        state: MessageState,
        before: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        let mut deleted = 0;
        while deleted < most {
            let some = AT_ONCE.min(most - deleted);
            let mut tx = spending::begin(&self.services).await?;
            let now_deleted = tx.delete_unsent(account_id, state, before, some).await?;
            tx.commit().await?;
            deleted += now_deleted;
            if now_deleted < some {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(deleted)
    }

    /// Deletes campaigns, some at a time.
    async fn delete_campaigns(
        &self,
        account_id: i64,
        before: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        let mut deleted = 0;
        while deleted < most {
            let some = AT_ONCE.min(most - deleted);
            let mut tx = spending::begin(&self.services).await?;
            let now_deleted = tx.delete_uncharged_campaigns(account_id, before, some).await?;
            tx.commit().await?;
            deleted += now_deleted;
            if now_deleted < some {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(deleted)
    }
}
