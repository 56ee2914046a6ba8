//! State of the message queues for the operator: waiting messages, and messages of unknown outcome.

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

/// Messages waiting for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMessages {
    /// Name of the provider.
    pub provider: String,
    /// Number of waiting messages.
    pub waiting: i64,
    /// Due time of the first of them.
    pub first_due: Timestamp,
}

impl Store {
    /// Counts the waiting messages of each provider.
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

    /// Counts the messages whose delivery to the provider is in doubt.
    pub async fn unknown_messages_count(&self) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) = on!(&mut reader, c => sqlx::query_as(UNKNOWN_COUNT).fetch_one(c).await)?;
        Ok(count)
    }

    /// Counts the messages in the state of being sent since before a time.
    pub async fn sending_messages_count(&self, since_before: Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) = on!(&mut reader, c => sqlx::query_as(SENDING_SINCE).bind(to_micros(since_before))
            .fetch_one(c).await)?;
        Ok(count)
    }
}
