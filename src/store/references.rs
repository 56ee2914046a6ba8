//! The names that postings have for ever.

use super::{Store, StoreError, on};
use crate::ledger::{Posted, Posting};
use crate::store::batch::PostingRefusal;

const FIND: &str = include_str!("../../sql/queries/posting_reference_find.sql");

impl Store {
    /// What became of an earlier posting of the same name: it is this one, or the name is taken. `None` where the name is
    /// free, or the posting has none.
    pub async fn posted_before(
        &self,
        posting: &Posting,
    ) -> Result<Option<Result<Posted, PostingRefusal>>, StoreError> {
        let Some(reference) = &posting.reference else { return Ok(None) };
        let mut reader = self.reader().await?;
        let row: Option<(i64, String, i64, i64)> = on!(&mut reader, c => sqlx::query_as(FIND)
            .bind(&posting.kind).bind(reference.scope).bind(&reference.text).fetch_optional(c).await)?;
        Ok(row.map(|(tx_id, fingerprint, ..)| {
            if fingerprint == posting.fingerprint() {
                Ok(Posted { tx_id, duplicate: true })
            } else {
                Err(PostingRefusal::ReferenceTaken { reference: reference.text.clone() })
            }
        }))
    }
}
