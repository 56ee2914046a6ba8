//! What an operator wants to know of messages: which wait, and of which nobody knows.

use jiff::Timestamp;

use super::{Store, StoreError, from_micros, on, row, to_micros};

const WAITING: &str = include_str!("../../sql/queries/messages_waiting.sql");
const SENDING_SINCE: &str = include_str!("../../sql/queries/messages_sending_since.sql");
const UNKNOWN_COUNT: &str = include_str!("../../sql/queries/messages_unknown_count.sql");

row! {
    struct WaitingRow {
        provider: String,
        waiting: i64,
        first_due: i64,
    }
}

/// The messages that wait for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMessages {
    /// Which.
    pub provider: String,
    /// How many.
    pub waiting: i64,
    /// When the first of them is due.
    pub first_due: Timestamp,
}

impl Store {
    /// How many messages wait for whom.
    pub async fn waiting_messages(&self) -> Result<Vec<WaitingMessages>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<WaitingRow> = on!(&mut reader, c => sqlx::query_as(WAITING).fetch_all(c).await)?;
        let read = |row: WaitingRow| WaitingMessages {
            provider: row.provider,
            waiting: row.waiting,
            first_due: from_micros(row.first_due),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Of how many messages nobody knows whether their provider has them.
    pub async fn unknown_messages_count(&self) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) = on!(&mut reader, c => sqlx::query_as(UNKNOWN_COUNT).fetch_one(c).await)?;
        Ok(count)
    }

    /// How many messages have been written as being sent since before that moment.
    pub async fn sending_messages_count(&self, since_before: Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) = on!(&mut reader, c => sqlx::query_as(SENDING_SINCE).bind(to_micros(since_before))
            .fetch_one(c).await)?;
        Ok(count)
    }
}
