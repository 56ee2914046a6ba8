//! Stored answers for repeated requests.

use jiff::Timestamp;

use super::{Store, StoreError, Tx, from_micros, on, to_micros};
use crate::secrets::Sealed;

const INSERT: &str = include_str!("../../sql/queries/idempotent_answers_insert.sql");
const REPLACE: &str = include_str!("../../sql/queries/idempotent_answers_replace.sql");
const FORGET: &str = include_str!("../../sql/queries/idempotent_answers_forget.sql");
const FIND: &str = include_str!("../../sql/queries/idempotent_answers_find.sql");

/// An answer and the request it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedAnswer {
    /// Account of the requester.
    pub account_id: i64,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of the request.
    pub request_digest: [u8; 32],
    /// The answer, encrypted.
    pub answer: Sealed,
    /// Time of the answer.
    pub created_at: Timestamp,
}

impl Tx {
    /// Stores an answer; only the first one of a key can be stored.
    pub async fn remember_answer(&mut self, answer: &RememberedAnswer) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(answer.account_id)
            .bind(&answer.key)
            .bind(answer.request_digest.as_slice())
            .bind(i64::from(answer.answer.key_id))
            .bind(answer.answer.bytes.as_slice())
            .bind(to_micros(answer.created_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Replaces a stored answer.
    pub async fn replace_answer(&self, answer: &RememberedAnswer) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(REPLACE)
            .bind(answer.account_id)
            .bind(&answer.key)
            .bind(i64::from(answer.answer.key_id))
            .bind(answer.answer.bytes.as_slice())
            .execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Deletes the stored answer of a key.
    pub async fn forget_answer(&self, account_id: i64, key: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(FORGET).bind(account_id).bind(key).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Reads the stored answer of a key.
    pub async fn remembered_answer(
        &self,
        account_id: i64,
        key: &str,
    ) -> Result<Option<RememberedAnswer>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(Vec<u8>, i64, Vec<u8>, i64)> =
            on!(&mut reader, c => sqlx::query_as(FIND).bind(account_id).bind(key).fetch_optional(c).await)?;
        let Some((digest, key_id, bytes, at)) = row else { return Ok(None) };
        let wrong = || StoreError::Inconsistent {
            table: "idempotent_answers",
            reason: format!("what is kept for account {account_id} is no answer"),
        };
        Ok(Some(RememberedAnswer {
            account_id,
            key: key.to_owned(),
            request_digest: digest.try_into().map_err(|_| wrong())?,
            answer: Sealed { key_id: u16::try_from(key_id).map_err(|_| wrong())?, bytes },
            created_at: from_micros(at),
        }))
    }
}
