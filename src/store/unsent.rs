//! Messages that were never sent, and campaigns without cost: free of charge, and therefore counted and deleted.

use jiff::Timestamp;

use super::messages::MessageState;
use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const COUNTS: &str = include_str!("../../sql/queries/unsent_messages.sql");
const DELETE: &str = include_str!("../../sql/queries/unsent_delete.sql");
const UNSTORED: &str = include_str!("../../sql/queries/campaigns_unstored.sql");
const CAMPAIGNS: &str = include_str!("../../sql/queries/campaigns_uncharged.sql");
const CAMPAIGNS_DELETE: &str = include_str!("../../sql/queries/campaigns_uncharged_delete.sql");

row! {
    struct CountRow {
        account_id: i64,
        state: String,
        messages: i64,
    }
}

row! {
    struct CampaignsRow {
        account_id: i64,
        campaigns: i64,
        first_finished: Option<i64>,
    }
}

/// Number of an account's messages in one state that no provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsentMessages {
    /// Id of the account.
    pub account_id: i64,
    /// State of the messages.
    pub state: MessageState,
    /// Number of messages.
    pub messages: i64,
}

/// Number of an account's campaigns in a final state without cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnchargedCampaigns {
    /// Id of the account.
    pub account_id: i64,
    /// Number of campaigns.
    pub campaigns: i64,
    /// Time when the oldest of them ended.
    pub first_finished: Timestamp,
}

impl Store {
    /// Counts messages that no provider has, by account and state.
    pub async fn unsent_messages(&self) -> Result<Vec<UnsentMessages>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<CountRow> = on!(&mut reader, c => sqlx::query_as(COUNTS).fetch_all(c).await)?;
        let read = |row: CountRow| {
            let state = MessageState::read(&row.state)?;
            Ok(UnsentMessages { account_id: row.account_id, state, messages: row.messages })
        };
        rows.into_iter().map(read).collect()
    }

    /// Counts campaigns in a final state without cost, by account.
    pub async fn uncharged_campaigns(&self) -> Result<Vec<UnchargedCampaigns>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<CampaignsRow> = on!(&mut reader, c => sqlx::query_as(CAMPAIGNS).fetch_all(c).await)?;
        let read = |row: CampaignsRow| UnchargedCampaigns {
            account_id: row.account_id,
            campaigns: row.campaigns,
            first_finished: from_micros(row.first_finished.unwrap_or_default()),
        };
        Ok(rows.into_iter().map(read).collect())
    }
}

impl Tx {
    /// Deletes an account's messages that were never sent and last changed before a time, oldest first; their campaigns
    /// keep the count. Returns the number deleted.
    pub async fn delete_unsent(
        &mut self,
        account_id: i64,
        state: MessageState,
        before: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        let mut campaigns: Vec<(i64,)> = on!(self, c => sqlx::query_as(DELETE).bind(account_id)
            .bind(state.as_str()).bind(to_micros(before)).bind(most).fetch_all(c).await)?;
        campaigns.sort_unstable();
        for of_one in campaigns.chunk_by(|(one,), (other,)| one == other) {
            let (campaign_id,) = of_one[0];
            let deleted = i64::try_from(of_one.len()).unwrap_or(i64::MAX);
            let (failed, cancelled) =
                if state == MessageState::Cancelled { (0, deleted) } else { (deleted, 0) };
            if campaign_id != 0 {
                on!(self, c => sqlx::query(UNSTORED).bind(campaign_id).bind(failed).bind(cancelled)
                    .execute(c).await.map(drop))?;
            }
        }
        Ok(i64::try_from(campaigns.len()).unwrap_or(i64::MAX))
    }

    /// Deletes an account's campaigns without cost and without messages that ended before a time, oldest first. Returns
    /// the number deleted.
    pub async fn delete_uncharged_campaigns(
        &mut self,
        account_id: i64,
        before: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        let rows = on!(self, c => sqlx::query(CAMPAIGNS_DELETE).bind(account_id).bind(to_micros(before)).bind(most)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(i64::try_from(rows).unwrap_or(i64::MAX))
    }
}
