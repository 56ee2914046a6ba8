//! Messages as they are shown: one, and lists of an account's.

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

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its id.
    pub id: i64,
    /// To whom.
    pub phone: String,
    /// Which provider sends it.
    pub provider: String,
    /// What it should show as its sender.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// Its segments.
    pub segments: i64,
    /// When its sender wants it sent.
    pub scheduled_at: Option<Timestamp>,
    /// When it was given to us.
    pub created_at: Timestamp,
    /// When something last became of it.
    pub updated_at: Timestamp,
    /// When the provider took it.
    pub sent_at: Option<Timestamp>,
    /// When the phone got it, as the provider says.
    pub delivered_at: Option<Timestamp>,
    /// Where it is.
    pub state: MessageState,
    /// What its sender pays for it, if it is sent.
    pub charge: Money,
    /// Why it was not sent or delivered.
    pub failure: Option<String>,
    /// The campaign it belongs to.
    pub campaign_id: Option<i64>,
    /// The name that the provider was given.
    pub reference: String,
}

impl MessageRecord {
    /// What its sender paid for it; what is set aside while it waits. What ended without a provider's having taken it cost
    /// nothing.
    pub fn cost(&self) -> Money {
        let waits =
            matches!(self.state, MessageState::Scheduled | MessageState::Queued | MessageState::Sending);
        if waits || self.sent_at.is_some() { self.charge } else { Money::ZERO }
    }

    /// Why it was not sent or delivered, for its sender: in the words of the provider or network where they are about this
    /// message, never in those of a connection, which name what is the operator's alone.
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
    /// A message of an account's.
    pub async fn message(&self, id: i64, account_id: i64) -> Result<Option<MessageRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<ShownRow> =
            on!(&mut reader, c => sqlx::query_as(SHOWN).bind(id).bind(account_id).fetch_optional(c).await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// An account's messages that were to be sent, newest first, and how many there are.
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

    /// An account's messages that were given a time, newest first, and how many there are.
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

    /// The newest messages of which it is not known whether their provider has them; their texts are left out.
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
