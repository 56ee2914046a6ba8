//! Messages as shown: a single message, and lists of an account's messages.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::messages::MessageState;
use super::{Store, StoreError, from_micros, on, row};

const SHOWN: &str = include_str!("../../sql/queries/messages_shown.sql");
const HISTORY: &str = include_str!("../../sql/queries/messages_history.sql");
const HISTORY_COUNT: &str = include_str!("../../sql/queries/messages_history_count.sql");
const SCHEDULED: &str = include_str!("../../sql/queries/messages_scheduled.sql");
const SCHEDULED_COUNT: &str = include_str!("../../sql/queries/messages_scheduled_count.sql");
const UNKNOWN: &str = include_str!("../../sql/queries/messages_unknown.sql");

row! {
    struct ShownRow {
        id: i64,
        phone: String,
        provider: String,
        sender_id: Option<String>,
        body: String,
        segments: i64,
        scheduled_at: Option<i64>,
        created_at: i64,
        updated_at: i64,
        sent_at: Option<i64>,
        delivered_at: Option<i64>,
        state: String,
        charge: i64,
        failure: Option<String>,
        campaign_id: Option<i64>,
        reference: String,
    }
}

/// A message as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// Id of the message.
    pub id: i64,
    /// Number of the recipient.
    pub phone: String,
    /// Provider that sends it.
    pub provider: String,
    /// Requested sender id.
    pub sender_id: Option<String>,
    /// Text of the message.
    pub body: String,
    /// Number of segments.
    pub segments: i64,
    /// Requested time of sending.
    pub scheduled_at: Option<Timestamp>,
    /// Time of submission.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Time the provider accepted it.
    pub sent_at: Option<Timestamp>,
    /// Time of delivery to the phone, as reported by the provider.
    pub delivered_at: Option<Timestamp>,
    /// State of the message.
    pub state: MessageState,
    /// Charge to its sender if it is sent.
    pub charge: Money,
    /// Reason why it was not sent or delivered.
    pub failure: Option<String>,
    /// Id of its campaign.
    pub campaign_id: Option<i64>,
    /// Reference given to the provider.
    pub reference: String,
}

impl MessageRecord {
    /// Returns the charge to its sender, or the amount held while it waits. A message that ended without acceptance by
    /// a provider costs nothing.
    pub fn cost(&self) -> Money {
        let waits =
            matches!(self.state, MessageState::Scheduled | MessageState::Queued | MessageState::Sending);
        if waits || self.sent_at.is_some() { self.charge } else { Money::ZERO }
    }

    /// Returns the reason of the failure for the sender: the provider's or network's message where it concerns this
    /// message, never a connection error, which would reveal the operator's configuration.
    pub fn shown_failure(&self) -> Option<&str> {
        match self.state {
            MessageState::Unknown => Some("it is not known whether the provider has it"),
            MessageState::Failed if self.sent_at.is_none() => Some("the provider did not take it in time"),
            MessageState::Rejected | MessageState::Failed | MessageState::Expired => self.failure.as_deref(),
            _ => None,
        }
    }
}

impl TryFrom<ShownRow> for MessageRecord {
    type Error = StoreError;

    fn try_from(row: ShownRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            phone: row.phone,
            provider: row.provider,
            sender_id: row.sender_id,
            body: row.body,
            segments: row.segments,
            scheduled_at: row.scheduled_at.map(from_micros),
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
            sent_at: row.sent_at.map(from_micros),
            delivered_at: row.delivered_at.map(from_micros),
            state: MessageState::read(&row.state)?,
            charge: Money::from_nanos(row.charge),
            failure: row.failure,
            campaign_id: row.campaign_id,
            reference: row.reference,
        })
    }
}

impl Store {
    /// Reads a message of an account.
    pub async fn message(&self, id: i64, account_id: i64) -> Result<Option<MessageRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<ShownRow> =
            on!(&mut reader, c => sqlx::query_as(SHOWN).bind(id).bind(account_id).fetch_optional(c).await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// Reads an account's messages that are neither scheduled nor cancelled, newest first, and their total number.
    pub async fn message_history(
        &self,
        account_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<MessageRecord>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<ShownRow> = on!(&mut reader, c => sqlx::query_as(HISTORY)
            .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let (total,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(HISTORY_COUNT).bind(account_id).fetch_one(c).await)?;
        Ok((shown(rows)?, total))
    }

    /// Reads an account's messages with a requested time, newest first, and their total number.
    pub async fn scheduled_messages(
        &self,
        account_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<MessageRecord>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<ShownRow> = on!(&mut reader, c => sqlx::query_as(SCHEDULED)
            .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let (total,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(SCHEDULED_COUNT).bind(account_id).fetch_one(c).await)?;
        Ok((shown(rows)?, total))
    }

    /// Reads the newest messages whose delivery to the provider is in doubt, without their texts.
    pub async fn unknown_messages(&self, limit: i64) -> Result<Vec<MessageRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<ShownRow> =
            on!(&mut reader, c => sqlx::query_as(UNKNOWN).bind(limit).fetch_all(c).await)?;
        shown(rows)
    }
}

fn shown(rows: Vec<ShownRow>) -> Result<Vec<MessageRecord>, StoreError> {
    rows.into_iter().map(TryInto::try_into).collect()
}
