//! Reads the ledger from its first row to its last, a page at a time, for the audit.
//!
//! Every page is bounded by ids that were committed when the audit began, so rows written meanwhile do not matter. The
//! page lengths are literals in the SQL texts: for a length in a parameter `PostgreSQL` assumes a tenth of the table
//! and reads all of it for every page.

pub(crate) mod corrections;
pub(crate) mod esim;
pub(crate) mod messages;

use super::{Head, Store, StoreError, on, row};

const ENTRIES: &str = include_str!("../../sql/queries/audit_entries.sql");
const TRANSACTIONS: &str = include_str!("../../sql/queries/audit_transactions.sql");
const CHECKPOINTS: &str = include_str!("../../sql/queries/audit_checkpoints.sql");
const CALL_PAGE: &str = include_str!("../../sql/queries/audit_calls.sql");
const PAYERS: &str = include_str!("../../sql/queries/audit_payers.sql");
const CALL_ENTRIES: &str = include_str!("../../sql/queries/audit_call_entries.sql");

row! {
    /// A ledger entry.
    #[derive(Debug)]
    pub(crate) struct EntryRow {
        pub(crate) id: i64,
        pub(crate) tx_id: i64,
        /// The transaction's id again, if such a transaction exists.
        pub(crate) known_tx: Option<i64>,
        pub(crate) account_id: i64,
        pub(crate) amount: i64,
        pub(crate) currency: String,
    }
}

row! {
    /// A transaction of a call, and the CDR that refers to it.
    #[derive(Debug)]
    pub(crate) struct TransactionRow {
        pub(crate) id: i64,
        pub(crate) claimed_by: Option<i64>,
    }
}

row! {
    /// A checkpoint, and the last entry that all checkpoints include. Without checkpoints, a single row with that entry
    /// only.
    #[derive(Debug)]
    pub(crate) struct CheckpointRow {
        pub(crate) covers: i64,
        pub(crate) account_id: Option<i64>,
        pub(crate) currency: Option<String>,
        pub(crate) units: Option<i64>,
        pub(crate) nanos: Option<i64>,
    }
}

row! {
    /// The columns of a CDR from which its amounts are derived.
    #[derive(Debug)]
    pub(crate) struct CallRow {
        pub(crate) id: i64,
        pub(crate) tx_id: Option<i64>,
        pub(crate) disposition: String,
        pub(crate) answered_at: Option<i64>,
        pub(crate) answered_ms: i64,
        pub(crate) charged_ms: i64,
        pub(crate) buy_billed_seconds: Option<i64>,
        pub(crate) buy_cost: Option<i64>,
        pub(crate) buy_rate_json: Option<String>,
        pub(crate) margin: i64,
        /// The CDR of its call key.
        pub(crate) key_cdr_id: Option<i64>,
    }
}

row! {
    /// A payer of a CDR.
    #[derive(Debug)]
    pub(crate) struct PayerRow {
        pub(crate) cdr_id: i64,
        pub(crate) account_id: i64,
        pub(crate) billed_seconds: i64,
        pub(crate) charge: i64,
        pub(crate) rate_json: Option<String>,
    }
}

row! {
    /// The effect of a call's transaction on an account.
    #[derive(Debug)]
    pub(crate) struct CallEntryRow {
        pub(crate) tx_id: i64,
        pub(crate) account_id: i64,
        pub(crate) amount: i64,
    }
}

/// Calls with their payers and entries, all of the same range of ids.
#[derive(Debug, Default)]
pub(crate) struct CallPage {
    pub(crate) calls: Vec<CallRow>,
    pub(crate) payers: Vec<PayerRow>,
    pub(crate) entries: Vec<CallEntryRow>,
}

impl Store {
    /// Reads the next entries in order of their ids.
    pub(crate) async fn audit_entries(&self, after: i64, head: Head) -> Result<Vec<EntryRow>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ENTRIES).bind(after).bind(head.entry_id).fetch_all(c).await)?)
    }

    /// Reads the next transactions of calls in order of their ids.
    pub(crate) async fn audit_transactions(
        &self,
        after: i64,
        head: Head,
    ) -> Result<Vec<TransactionRow>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(TRANSACTIONS).bind(after).bind(head.transaction_id)
            .fetch_all(c).await)?)
    }

    /// Reads every checkpoint in one statement. Must precede the reading of the head: then no checkpoint covers an
    /// entry beyond it.
    pub(crate) async fn audit_checkpoints(&self) -> Result<Vec<CheckpointRow>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(CHECKPOINTS).fetch_all(c).await)?)
    }

    /// Reads the next calls with all their rows.
    pub(crate) async fn audit_calls(&self, after: i64, head: Head) -> Result<CallPage, StoreError> {
        let mut reader = self.reader().await?;
        let calls: Vec<CallRow> = on!(&mut reader, c => sqlx::query_as(CALL_PAGE).bind(after).bind(head.cdr_id).fetch_all(c).await)?;
        let Some(last) = calls.last() else { return Ok(CallPage::default()) };
        let payers =
            on!(&mut reader, c => sqlx::query_as(PAYERS).bind(after).bind(last.id).fetch_all(c).await)?;
        let transactions = calls.iter().filter_map(|call| call.tx_id);
        let (first, last) = (transactions.clone().min().unwrap_or(0), transactions.max().unwrap_or(0));
        let entries =
            on!(&mut reader, c => sqlx::query_as(CALL_ENTRIES).bind(first).bind(last).fetch_all(c).await)?;
        Ok(CallPage { calls, payers, entries })
    }
}
