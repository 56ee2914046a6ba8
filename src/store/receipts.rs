//! What providers call messages and their parts, and what they say of them later.

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
    /// A message that its provider may have, and is to be asked for by our reference.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LostMessage {
        /// The message.
        pub message_id: i64,
        /// Our name for it.
        pub reference: String,
        /// To whom it goes.
        pub phone: String,
        /// How often its provider was asked.
        pub asked: i64,
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How it ended, if it did.
    pub end: Option<MessageState>,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A part of a message that its provider is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartToAsk {
    /// The message.
    pub message_id: i64,
    /// What the provider calls the part.
    pub upstream_id: String,
    /// How often it was asked about the message.
    pub asked: i64,
}

/// A message that receipts came for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptedMessage {
    /// The campaign it belongs to.
    pub campaign_id: Option<i64>,
    /// Where it is.
    pub state: MessageState,
    /// Its segments.
    pub segments: i64,
}

impl Tx {
    /// Writes what a provider calls a message or a part of it. A receipt that came before stays with it; one of an older
    /// message that the provider called the same does not.
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

    /// Writes where a part has ended, unless it has ended before. Returns its message; none where it is not known (yet).
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

    /// The parts of a message, as far as its provider has named them.
    pub async fn parts_of(&mut self, message_id: i64) -> Result<Vec<Part>, StoreError> {
        let rows: Vec<PartRow> = on!(self, c => sqlx::query_as(PARTS).bind(message_id).fetch_all(c).await)?;
        let part = |row: PartRow| {
            let end = row.delivery.as_deref().map(MessageState::read).transpose()?;
            Ok(Part { end, failure: row.failure, ended_at: row.ended_at.map(from_micros) })
        };
        rows.into_iter().map(part).collect()
    }

    /// Writes where a message that was sent has ended; `false` where it has ended before.
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

    /// A message that receipts came for.
    pub async fn receipted_message(&mut self, id: i64) -> Result<Option<ReceiptedMessage>, StoreError> {
        let row: Option<(Option<i64>, String, i64)> =
            on!(self, c => sqlx::query_as(CAMPAIGN).bind(id).fetch_optional(c).await)?;
        row.map(|(campaign_id, state, segments)| {
            Ok(ReceiptedMessage { campaign_id, state: MessageState::read(&state)?, segments })
        })
        .transpose()
    }

    /// A message of which nobody knew was taken by its provider; `false` where it is known by now.
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

    /// Says when a provider is asked about a message again; never where there is no time.
    pub async fn message_asked(&mut self, id: i64, next: Option<Timestamp>) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(ASKED).bind(id).bind(next.map(to_micros)).execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Parts that a provider is to be asked about by now.
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

    /// Messages that a provider may have, and is to be asked for by now.
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

    /// Forgets receipts of messages that nobody sent here, as old as that.
    pub async fn sweep_receipts(&self, taken_before: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(SWEEP).bind(to_micros(taken_before)).execute(c).await.map(drop))?;
        tx.commit().await
    }
}
