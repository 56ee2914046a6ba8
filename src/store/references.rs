//! Permanent references of postings.

use super::{Session, Store, StoreError, Tx, on};
use crate::ledger::{Posted, Posting};
use crate::store::batch::PostingRefusal;

const FIND: &str = include_str!("../../sql/queries/posting_reference_find.sql");

/// Finds an earlier posting of the same reference. `None` if the reference is free, or the posting has none.
async fn find(
    session: &mut impl Session,
    posting: &Posting,
) -> Result<Option<Result<Posted, PostingRefusal>>, StoreError> {
    let Some(reference) = &posting.reference else { return Ok(None) };
    let row: Option<(i64, String, i64, i64)> = on!(session, c => sqlx::query_as(FIND)
        .bind(&posting.kind).bind(reference.scope).bind(&reference.text).fetch_optional(c).await)?;
    Ok(row.map(|(tx_id, fingerprint, ..)| {
        if fingerprint == posting.fingerprint() {
            Ok(Posted { tx_id, duplicate: true })
        } else {
            Err(PostingRefusal::ReferenceTaken { reference: reference.text.clone() })
        }
    }))
}

impl Store {
    /// Finds an earlier posting of the same reference: it is either the same posting or a conflict. `None` if the
    /// reference is free, or the posting has none.
    pub async fn posted_before(
        &self,
        posting: &Posting,
    ) -> Result<Option<Result<Posted, PostingRefusal>>, StoreError> {
        find(&mut self.reader().await?, posting).await
    }
}

impl Tx {
    /// Reports whether this posting is in the ledger.
    pub async fn has_posting(&mut self, posting: &Posting) -> Result<bool, StoreError> {
        Ok(matches!(find(self, posting).await?, Some(Ok(_))))
    }
}
