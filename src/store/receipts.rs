//! Providers' ids of messages and their parts, and their delivery receipts.

use jiff::Timestamp;

use super::messages::MessageState;
use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const PART: &str = include_str!("../../sql/queries/parts_insert.sql");
const RECEIPT: &str = include_str!("../../sql/queries/parts_receipt.sql");
const PARTS: &str = include_str!("../../sql/queries/parts_of.sql");
const SWEEP: &str = include_str!("../../sql/queries/parts_sweep.sql");
const DELIVERED: &str = include_str!("../../sql/queries/messages_delivered.sql");
const CAMPAIGN: &str = include_str!("../../sql/queries/messages_campaign.sql");
const ASK: &str = include_str!("../../sql/queries/messages_ask.sql");
const LOST: &str = include_str!("../../sql/queries/messages_lost.sql");
const FOUND: &str = include_str!("../../sql/queries/messages_found.sql");
const ASKED: &str = include_str!("../../sql/queries/messages_asked.sql");

row! {
    struct PartRow {
        delivery: Option<String>,
        failure: Option<String>,
        ended_at: Option<i64>,
    }
}

row! {
    struct AskRow {
        message_id: i64,
        upstream_id: String,
        asked: i64,
    }
}

row! {
    /// A message whose delivery to its provider is in doubt, to be looked up by reference.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LostMessage {
        /// Id of the message.
        pub message_id: i64,
        /// Reference given to the provider.
        pub reference: String,
        /// Number of the recipient.
        pub phone: String,
        /// Number of queries so far.
        pub asked: i64,
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Final state, if reached.
    pub end: Option<MessageState>,
    /// Reason of the failure.
    pub failure: Option<String>,
    /// Time of the final state.
    pub ended_at: Option<Timestamp>,
}

/// A part of a message whose state is to be queried at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartToAsk {
    /// Id of the message.
    pub message_id: i64,
    /// The provider's id of the part.
    pub upstream_id: String,
    /// Number of queries about the message so far.
    pub asked: i64,
}

/// A message with receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptedMessage {
    /// Id of its campaign, if any.
    pub campaign_id: Option<i64>,
    /// State of the message.
    pub state: MessageState,
    /// Number of segments.
    pub segments: i64,
}

impl Tx {
    /// Stores the provider's id of a message or a part of it. An earlier receipt is attached to it, but not the receipt
    /// of an older message with the same provider id.
    pub async fn insert_part(
        &mut self,
        provider: &str,
        upstream_id: &str,
        message_id: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PART).bind(provider).bind(upstream_id).bind(message_id).bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Stores the final state of a part, unless it already has one. Returns its message; `None` if the part is not
    /// known (yet).
    pub async fn take_receipt(
        &mut self,
        provider: &str,
        upstream_id: &str,
        part: &Part,
        at: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (message_id,): (i64,) = on!(self, c => sqlx::query_as(RECEIPT).bind(provider).bind(upstream_id)
            .bind(part.end.map(MessageState::as_str)).bind(part.failure.as_deref()).bind(part.ended_at.map(to_micros))
            .bind(to_micros(at)).fetch_one(c).await)?;
        Ok((message_id != 0).then_some(message_id))
    }

    /// Reads the parts of a message that its provider has identified.
    pub async fn parts_of(&mut self, message_id: i64) -> Result<Vec<Part>, StoreError> {
        let rows: Vec<PartRow> = on!(self, c => sqlx::query_as(PARTS).bind(message_id).fetch_all(c).await)?;
        let part = |row: PartRow| {
            let end = row.delivery.as_deref().map(MessageState::read).transpose()?;
            Ok(Part { end, failure: row.failure, ended_at: row.ended_at.map(from_micros) })
        };
        rows.into_iter().map(part).collect()
    }

    /// Stores the final state of a sent message; `false` if it already has one.
    pub async fn message_delivered(
        &mut self,
        id: i64,
        (state, failure): (MessageState, Option<&str>),
        delivered_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(DELIVERED).bind(id).bind(state.as_str()).bind(failure)
            .bind(to_micros(at)).bind(delivered_at.map(to_micros)).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Reads a message with receipts.
    pub async fn receipted_message(&mut self, id: i64) -> Result<Option<ReceiptedMessage>, StoreError> {
        let row: Option<(Option<i64>, String, i64)> =
            on!(self, c => sqlx::query_as(CAMPAIGN).bind(id).fetch_optional(c).await)?;
        row.map(|(campaign_id, state, segments)| {
            Ok(ReceiptedMessage { campaign_id, state: MessageState::read(&state)?, segments })
        })
        .transpose()
    }

    /// Marks a message of unknown outcome as accepted by its provider; `false` if the outcome is known by now.
    pub async fn message_found(
        &mut self,
        id: i64,
        ask_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(FOUND).bind(id).bind(to_micros(at)).bind(ask_at.map(to_micros))
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Sets the time of the next query about a message; `None` for never.
    pub async fn message_asked(&mut self, id: i64, next: Option<Timestamp>) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(ASKED).bind(id).bind(next.map(to_micros)).execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads the parts whose query is due.
    pub async fn parts_to_ask(
        &self,
        provider: &str,
        at: Timestamp,
        most: i64,
    ) -> Result<Vec<PartToAsk>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<AskRow> = on!(&mut reader, c => sqlx::query_as(ASK).bind(provider).bind(to_micros(at))
            .bind(most).fetch_all(c).await)?;
        let part = |row: AskRow| PartToAsk {
            message_id: row.message_id,
            upstream_id: row.upstream_id,
            asked: row.asked,
        };
        Ok(rows.into_iter().map(part).collect())
    }

    /// Reads the messages in doubt whose query is due.
    pub async fn lost_messages(
        &self,
        provider: &str,
        at: Timestamp,
        most: i64,
    ) -> Result<Vec<LostMessage>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(LOST).bind(provider).bind(to_micros(at)).bind(most)
            .fetch_all(c).await)?)
    }

    /// Deletes receipts older than a time that belong to no message of this service.
    pub async fn sweep_receipts(&self, taken_before: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(SWEEP).bind(to_micros(taken_before)).execute(c).await.map(drop))?;
        tx.commit().await
    }
}
