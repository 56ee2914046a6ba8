//! Campaigns: one text to many.

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

/// Messages of a discarded campaign deleted in one transaction.
const DISCARDED_AT_ONCE: i64 = 500;

/// A campaign to write. It is nobody's until it is published.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    /// Its id.
    pub id: i64,
    /// Who sends it.
    pub account_id: i64,
    /// The name under which its credit is set aside.
    pub reference: String,
    /// Which provider sends it.
    pub provider: String,
    /// What its messages should show as their sender.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// Its alphabet.
    pub encoding: &'static str,
    /// Its segments.
    pub segments: u16,
    /// When its sender wants it sent; none for at once.
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

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRecord {
    /// Its id.
    pub id: i64,
    /// Who sends it.
    pub account_id: i64,
    /// The name under which its credit is set aside.
    pub reference: String,
    /// Which provider sends it.
    pub provider: String,
    /// What its messages should show as their sender.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// Its segments.
    pub segments: i64,
    /// When its sender wants it sent.
    pub scheduled_at: Option<Timestamp>,
    /// When it was given to us.
    pub created_at: Timestamp,
    /// QUEUED, RUNNING, COMPLETED or CANCELLED; STAGING as long as it is nobody's.
    pub state: String,
    /// To how many it goes.
    pub recipients: i64,
    /// How many messages are not at their end.
    pub waiting: i64,
    /// How many the provider took.
    pub sent: i64,
    /// How many of those were delivered.
    pub delivered: i64,
    /// How many were refused or not delivered.
    pub failed: i64,
    /// Of how many it is not known whether the provider has them.
    pub unknown: i64,
    /// How many were called back.
    pub cancelled: i64,
    /// What its sender was charged so far.
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

/// What became of some of a campaign's messages that were waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CampaignProgress {
    /// Taken by the provider.
    pub sent: i64,
    /// Refused, or given up.
    pub failed: i64,
    /// Perhaps taken.
    pub unknown: i64,
    /// Called back.
    pub cancelled: i64,
    /// What their sender was charged.
    pub cost: Money,
}

impl Tx {
    /// Writes a campaign that is nobody's yet.
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

    /// Publishes a staged campaign: the number of its messages, which wait, and of recipients without a price, which have no
    /// message. `false` if it is not staged.
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

    /// The campaigns whose messages were just taken to be sent are running.
    pub async fn run_campaigns(&mut self, claim: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(RUN).bind(claim).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Counts what became of messages that waited; a campaign without further ones is completed.
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

    /// Counts what became of messages that had been sent: what is added to each number.
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

    /// Calls an account's campaign back: none of its messages is taken any more. `false` where it is at its end.
    pub async fn cancel_campaign(&mut self, id: i64, account_id: i64) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(CANCEL).bind(id).bind(account_id)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Deletes a campaign that is not published, which has no messages any more, with its hold: returns what was held of
    /// whom. `None` if there is no such campaign.
    pub async fn discard_campaign(&mut self, id: i64) -> Result<Option<Payers>, StoreError> {
        let row: Option<(String,)> =
            on!(self, c => sqlx::query_as(DISCARD).bind(id).fetch_optional(c).await)?;
        match row {
            Some((reference,)) => Ok(Some(self.delete_hold(&reference).await?)),
            None => Ok(None),
        }
    }

    /// A campaign, as this transaction sees it.
    pub async fn campaign_now(&mut self, id: i64) -> Result<Option<CampaignRecord>, StoreError> {
        let row: Option<CampaignRow> = on!(self, c => sqlx::query_as(FIND).bind(id).fetch_optional(c).await)?;
        Ok(row.map(Into::into))
    }

    /// Calls back at most so many of a campaign's waiting messages, the first ones behind an id, and returns their ids and
    /// who had been going to pay what for each.
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
    /// A campaign.
    pub async fn campaign(&self, id: i64) -> Result<Option<CampaignRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<CampaignRow> =
            on!(&mut reader, c => sqlx::query_as(FIND).bind(id).fetch_optional(c).await)?;
        Ok(row.map(Into::into))
    }

    /// An account's campaigns, newest first, and how many there are.
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

    /// Campaigns that were called back and have messages that still wait.
    pub async fn campaigns_to_cancel(&self) -> Result<Vec<CampaignRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<CampaignRow> = on!(&mut reader, c => sqlx::query_as(TO_CANCEL).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Deletes the messages of a campaign that is not published, some at a time: others may write in between.
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

    /// Campaigns that are not published.
    pub async fn staged_campaigns(&self) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<(i64,)> = on!(&mut reader, c => sqlx::query_as(STAGING).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
