//! Campaigns: one text to many recipients.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::messages::{Payers, PayersRow};
use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/campaigns_insert.sql");
const PUBLISH: &str = include_str!("../../sql/queries/campaigns_publish.sql");
const RUN: &str = include_str!("../../sql/queries/campaigns_run.sql");
const COUNT: &str = include_str!("../../sql/queries/campaigns_count.sql");
const DELIVERED: &str = include_str!("../../sql/queries/campaigns_delivered.sql");
const CANCEL: &str = include_str!("../../sql/queries/campaigns_cancel.sql");
const FIND: &str = include_str!("../../sql/queries/campaigns_find.sql");
const PAGE: &str = include_str!("../../sql/queries/campaigns_page.sql");
const PAGE_COUNT: &str = include_str!("../../sql/queries/campaigns_page_count.sql");
const TO_CANCEL: &str = include_str!("../../sql/queries/campaigns_to_cancel.sql");
const SOME_WAITING: &str = include_str!("../../sql/queries/campaigns_some_waiting.sql");
const CANCEL_SOME: &str = include_str!("../../sql/queries/campaigns_cancel_some.sql");
const DISCARD_MESSAGES: &str = include_str!("../../sql/queries/campaigns_discard_messages.sql");
const DISCARD: &str = include_str!("../../sql/queries/campaigns_discard.sql");
const STAGING: &str = include_str!("../../sql/queries/campaigns_staging.sql");

/// Number of messages of a discarded campaign deleted in one transaction.
const DISCARDED_AT_ONCE: i64 = 500;

/// A campaign to write. It is invisible until it is published.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    /// Id of the campaign.
    pub id: i64,
    /// Account that sends it.
    pub account_id: i64,
    /// Reference of its hold.
    pub reference: String,
    /// Provider that sends it.
    pub provider: String,
    /// Requested sender id of its messages.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// Alphabet of the text.
    pub encoding: &'static str,
    /// Number of segments per message.
    pub segments: u16,
    /// Requested time of sending; `None` for at once.
    pub scheduled_at: Option<Timestamp>,
}

row! {
    struct CampaignRow {
        id: i64,
        account_id: i64,
        reference: String,
        provider: String,
        sender_id: Option<String>,
        body: String,
        segments: i64,
        scheduled_at: Option<i64>,
        created_at: i64,
        state: String,
        recipients: i64,
        waiting: i64,
        sent: i64,
        delivered: i64,
        failed: i64,
        unknown: i64,
        cancelled: i64,
        cost: i64,
    }
}

/// A campaign as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRecord {
    /// Id of the campaign.
    pub id: i64,
    /// Account that sends it.
    pub account_id: i64,
    /// Reference of its hold.
    pub reference: String,
    /// Provider that sends it.
    pub provider: String,
    /// Requested sender id of its messages.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// Number of segments per message.
    pub segments: i64,
    /// Requested time of sending; `None` for at once.
    pub scheduled_at: Option<Timestamp>,
    /// Time of submission.
    pub created_at: Timestamp,
    /// QUEUED, RUNNING, COMPLETED or CANCELLED; STAGING until it is published.
    pub state: String,
    /// Number of recipients.
    pub recipients: i64,
    /// Number of messages not yet in a final state.
    pub waiting: i64,
    /// Number of messages that the provider accepted.
    pub sent: i64,
    /// Number of these that were delivered.
    pub delivered: i64,
    /// Number of messages refused or not delivered.
    pub failed: i64,
    /// Number of messages whose delivery to the provider is in doubt.
    pub unknown: i64,
    /// Number of cancelled messages.
    pub cancelled: i64,
    /// Amount charged to its sender so far.
    pub cost: Money,
}

impl From<CampaignRow> for CampaignRecord {
    fn from(row: CampaignRow) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            reference: row.reference,
            provider: row.provider,
            sender_id: row.sender_id,
            body: row.body,
            segments: row.segments,
            scheduled_at: row.scheduled_at.map(from_micros),
            created_at: from_micros(row.created_at),
            state: row.state,
            recipients: row.recipients,
            waiting: row.waiting,
            sent: row.sent,
            delivered: row.delivered,
            failed: row.failed,
            unknown: row.unknown,
            cancelled: row.cancelled,
            cost: Money::from_nanos(row.cost),
        }
    }
}

/// Changes to a campaign's counters from the outcomes of waiting messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CampaignProgress {
    /// Messages accepted by the provider.
    pub sent: i64,
    /// Messages refused or given up.
    pub failed: i64,
    /// Messages whose outcome is unknown.
    pub unknown: i64,
    /// Messages cancelled.
    pub cancelled: i64,
    /// Amount charged to their sender.
    pub cost: Money,
}

impl Tx {
    /// Inserts a campaign that is not published yet.
    pub async fn insert_campaign(&mut self, campaign: &NewCampaign, at: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(campaign.id)
            .bind(campaign.account_id)
            .bind(&campaign.reference)
            .bind(&campaign.provider)
            .bind(campaign.sender_id.as_deref())
            .bind(&campaign.body)
            .bind(campaign.encoding)
            .bind(i64::from(campaign.segments))
            .bind(campaign.scheduled_at.map(to_micros))
            .bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Publishes a staged campaign with the number of its waiting messages and of recipients without a price, which
    /// have no message. `false` if it is not staged.
    pub async fn publish_campaign(
        &mut self,
        id: i64,
        waiting: i64,
        rejected: i64,
    ) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(PUBLISH).bind(id).bind(waiting).bind(rejected)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Marks the campaigns of the messages just claimed for sending as running.
    pub async fn run_campaigns(&mut self, claim: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(RUN).bind(claim).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Counts the outcomes of waiting messages; a campaign without further waiting messages is completed.
    pub async fn count_campaign(
        &mut self,
        id: i64,
        progress: CampaignProgress,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(COUNT).bind(id).bind(progress.sent).bind(progress.failed)
            .bind(progress.unknown).bind(progress.cancelled).bind(progress.cost.nanos()).bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Counts the receipts of sent messages by adding to each counter.
    pub async fn count_receipt(
        &mut self,
        id: i64,
        sent: i64,
        delivered: i64,
        failed: i64,
        unknown: i64,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DELIVERED).bind(id).bind(sent).bind(delivered).bind(failed).bind(unknown)
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Cancels an account's campaign: none of its messages is claimed any more. `false` if it is in a final state.
    pub async fn cancel_campaign(&mut self, id: i64, account_id: i64) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(CANCEL).bind(id).bind(account_id)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Deletes an unpublished campaign without messages, with its hold: returns the amounts held of each payer. `None`
    /// if there is no such campaign.
    pub async fn discard_campaign(&mut self, id: i64) -> Result<Option<Payers>, StoreError> {
        let row: Option<(String,)> =
            on!(self, c => sqlx::query_as(DISCARD).bind(id).fetch_optional(c).await)?;
        match row {
            Some((reference,)) => Ok(Some(self.delete_hold(&reference).await?)),
            None => Ok(None),
        }
    }

    /// Reads a campaign within this transaction.
    pub async fn campaign_now(&mut self, id: i64) -> Result<Option<CampaignRecord>, StoreError> {
        let row: Option<CampaignRow> = on!(self, c => sqlx::query_as(FIND).bind(id).fetch_optional(c).await)?;
        Ok(row.map(Into::into))
    }

    /// Cancels a limited number of a campaign's waiting messages, the first ones after an id, and returns their ids
    /// with the payers and amounts of each.
    pub async fn cancel_some(
        &mut self,
        campaign_id: i64,
        after: i64,
        most: i64,
        at: Timestamp,
    ) -> Result<Vec<(i64, Payers)>, StoreError> {
        let rows: Vec<PayersRow> = on!(self, c => sqlx::query_as(SOME_WAITING).bind(campaign_id).bind(after).bind(most).fetch_all(c).await)?;
        let some: Vec<(i64, Payers)> = rows.iter().map(PayersRow::read).collect();
        let Some((last, _)) = some.last() else { return Ok(Vec::new()) };
        on!(self, c => sqlx::query(CANCEL_SOME).bind(campaign_id).bind(after).bind(*last).bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(some)
    }
}

impl Store {
    /// Reads a campaign.
    pub async fn campaign(&self, id: i64) -> Result<Option<CampaignRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<CampaignRow> =
            on!(&mut reader, c => sqlx::query_as(FIND).bind(id).fetch_optional(c).await)?;
        Ok(row.map(Into::into))
    }

    /// Reads an account's campaigns, newest first, and their total number.
    pub async fn campaigns(
        &self,
        account_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<CampaignRecord>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<CampaignRow> = on!(&mut reader, c => sqlx::query_as(PAGE)
            .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let (total,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(PAGE_COUNT).bind(account_id).fetch_one(c).await)?;
        Ok((rows.into_iter().map(Into::into).collect(), total))
    }

    /// Reads cancelled campaigns that still have waiting messages.
    pub async fn campaigns_to_cancel(&self) -> Result<Vec<CampaignRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<CampaignRow> = on!(&mut reader, c => sqlx::query_as(TO_CANCEL).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Deletes the messages of an unpublished campaign, some at a time: other transactions may write in between.
    pub async fn discard_messages(&self, campaign_id: i64) -> Result<(), StoreError> {
        loop {
            let mut tx = self.begin().await?;
            tx.reserve_ids(super::Reserved::default()).await?;
            let deleted = on!(&mut tx, c => sqlx::query(DISCARD_MESSAGES).bind(campaign_id).bind(DISCARDED_AT_ONCE)
                .execute(c).await.map(|done| done.rows_affected()))?;
            tx.commit().await?;
            if deleted == 0 {
                return Ok(());
            }
        }
    }

    /// Reads the ids of unpublished campaigns.
    pub async fn staged_campaigns(&self) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<(i64,)> = on!(&mut reader, c => sqlx::query_as(STAGING).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
