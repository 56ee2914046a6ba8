//! Contact data of accounts' holders.

use super::{Session, Store, StoreError, Tx, on, row};

const OF: &str = include_str!("../../sql/queries/profiles_of.sql");
const PUT: &str = include_str!("../../sql/queries/profiles_put.sql");

row! {
    /// Contact data of an account's holder.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Profile {
        /// Mail address.
        pub email: Option<String>,
        /// Phone number.
        pub phone: Option<String>,
        /// Language, as `en` or `de-AT`.
        pub language: Option<String>,
        /// Name of a person.
        pub contact_name: Option<String>,
        /// Name of a company.
        pub company: Option<String>,
    }
}

async fn profile(session: &mut impl Session, account_id: i64) -> Result<Profile, StoreError> {
    let row: Option<Profile> =
        on!(session, c => sqlx::query_as(OF).bind(account_id).fetch_optional(c).await)?;
    Ok(row.unwrap_or_default())
}

impl Tx {
    /// Reads an account's profile; empty where nothing is stored.
    pub async fn profile(&mut self, account_id: i64) -> Result<Profile, StoreError> {
        profile(self, account_id).await
    }

    /// Replaces an account's profile.
    pub async fn put_profile(&mut self, account_id: i64, profile: &Profile) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PUT)
            .bind(account_id)
            .bind(&profile.email)
            .bind(&profile.phone)
            .bind(&profile.language)
            .bind(&profile.contact_name)
            .bind(&profile.company)
            .execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads an account's profile; empty where nothing is stored.
    pub async fn profile(&self, account_id: i64) -> Result<Profile, StoreError> {
        profile(&mut self.reader().await?, account_id).await
    }
}
