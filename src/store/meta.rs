//! Named facts about the deployment itself.

use super::{Store, StoreError, Tx, on};

const GET: &str = include_str!("../../sql/queries/meta_get.sql");
const SET: &str = include_str!("../../sql/queries/meta_set.sql");

impl Store {
    /// Reads a fact by its name.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(String,)> =
            on!(&mut reader, c => sqlx::query_as(GET).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(value,)| value))
    }

    /// Inserts or replaces a fact.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.set_meta(name, value).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Like [`Store::meta`], within the transaction.
    pub async fn meta(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(GET).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(value,)| value))
    }

    /// Like [`Store::set_meta`], within the transaction.
    pub async fn set_meta(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET).bind(name).bind(value).execute(c).await.map(drop))?;
        Ok(())
    }
}
