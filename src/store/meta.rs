//! A few facts about the deployment itself, by name.

use super::{Store, StoreError, on};

const GET: &str = include_str!("../../sql/queries/meta_get.sql");
const SET: &str = include_str!("../../sql/queries/meta_set.sql");

impl Store {
    /// A fact by its name.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(String,)> =
            on!(&mut reader, c => sqlx::query_as(GET).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(value,)| value))
    }

    /// Writes a fact over what it was.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(SET).bind(name).bind(value).execute(c).await.map(drop))?;
        tx.commit().await
    }
}
