//! Counts of refusals that have no CDR, by source, reason and minute.

use std::sync::LazyLock;

use super::{
    Session, Store, StoreError,
    insert::{ManyRows, Value},
    on, row,
};

row! {
    /// Number of refusals of a source for a reason within a minute, besides those with a CDR.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RefusalCount {
        /// The account or address that called; `*` for the sources of a flood, counted together.
        pub source: String,
        /// Machine code of the reason.
        pub reason: String,
        /// Minutes since the epoch.
        pub minute: i64,
        /// Number of refusals.
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

/// Adds counts. Each source, reason and minute must occur at most once in `counts`.
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
    /// Reads the counts from a minute on, newest minute first, up to a limit.
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
