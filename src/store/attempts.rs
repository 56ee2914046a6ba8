//! Refusals beyond those that are recorded one by one: counted by source, reason and minute.

use std::sync::LazyLock;

use super::{
    Session, Store, StoreError,
    insert::{ManyRows, Value},
    on, row,
};

row! {
    /// How often a source was refused for a reason within a minute, besides the refusals that have a CDR.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RefusalCount {
        /// The account or address that called; `*` for the many of a flood.
        pub source: String,
        /// The machine code.
        pub reason: String,
        /// Minutes since the epoch.
        pub minute: i64,
        /// How often.
        pub count: i64,
    }
}

pub(super) static REFUSALS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "refusal_counts",
        "source, reason, minute, count",
        " ON CONFLICT (source, reason, minute) DO UPDATE SET count = refusal_counts.count + excluded.count",
    )
});

const LIST: &str = include_str!("../../sql/queries/refusal_counts_since.sql");

/// Adds counts. A source, reason and minute may come once in `counts`.
pub(super) async fn add(tx: &mut impl Session, counts: &[RefusalCount]) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(counts.len() * 4);
    for refused in counts {
        rows.extend([
            Value::Text(&refused.source),
            Value::Text(&refused.reason),
            Value::Int(refused.minute),
            Value::Int(refused.count),
        ]);
    }
    REFUSALS.execute(tx, &rows).await
}

impl Store {
    /// The counts from a minute on, newest minute first, at most so many.
    pub async fn refusal_counts_since(
        &self,
        minute: i64,
        limit: u32,
    ) -> Result<Vec<RefusalCount>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(
            on!(&mut reader, c => sqlx::query_as(LIST).bind(minute).bind(i64::from(limit)).fetch_all(c).await)?,
        )
    }
}
