//! Reads records that were written without the call's ticket and later replaced, for the audit.

use super::{CallEntryRow, PayerRow};
use crate::store::{Head, Store, StoreError, on, row};

const PAGE: &str = include_str!("../../../sql/queries/audit_corrections.sql");
const PAYERS: &str = include_str!("../../../sql/queries/audit_replaced_payers.sql");
const ENTRIES: &str = include_str!("../../../sql/queries/audit_reversal_entries.sql");
const STRAYS: &str = include_str!("../../../sql/queries/audit_reversal_strays.sql");

row! {
    /// A record replaced by another.
    #[derive(Debug)]
    pub(crate) struct CorrectionRow {
        pub(crate) replaced_cdr: i64,
        /// Id of the transaction that cancels its charges.
        pub(crate) reversal_tx: Option<i64>,
    }
}

/// Corrections with the payers of the replaced records and the entries of their reversals.
#[derive(Debug, Default)]
pub(crate) struct CorrectionPage {
    pub(crate) corrections: Vec<CorrectionRow>,
    pub(crate) payers: Vec<PayerRow>,
    pub(crate) entries: Vec<CallEntryRow>,
}

impl Store {
    /// Reads the next corrections with all their rows.
    pub(crate) async fn audit_corrections(
        &self,
        after: i64,
        head: Head,
    ) -> Result<CorrectionPage, StoreError> {
        let mut reader = self.reader().await?;
        let corrections: Vec<CorrectionRow> =
            on!(&mut reader, c => sqlx::query_as(PAGE).bind(after).bind(head.cdr_id).fetch_all(c).await)?;
        let Some(last) = corrections.last() else { return Ok(CorrectionPage::default()) };
        let last = last.replaced_cdr;
        let payers = on!(&mut reader, c => sqlx::query_as(PAYERS).bind(after).bind(last).fetch_all(c).await)?;
        let entries =
            on!(&mut reader, c => sqlx::query_as(ENTRIES).bind(after).bind(last).fetch_all(c).await)?;
        Ok(CorrectionPage { corrections, payers, entries })
    }

    /// Reads reversals that belong to no correction.
    pub(crate) async fn audit_reversal_strays(&self, head: Head) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let strays: Vec<(i64,)> = on!(&mut reader, c => sqlx::query_as(STRAYS).bind(head.transaction_id)
            .fetch_all(c).await)?;
        Ok(strays.into_iter().map(|(id,)| id).collect())
    }
}
