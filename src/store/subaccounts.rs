//! What only subaccounts have.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Session, Store, StoreError, Tx, from_micros, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/subaccounts_insert.sql");
const BY_ID: &str = include_str!("../../sql/queries/subaccounts_by_id.sql");
const ALL: &str = include_str!("../../sql/queries/subaccounts_all.sql");
const OF_CLIENT: &str = include_str!("../../sql/queries/subaccounts_of_client.sql");
const COUNT: &str = include_str!("../../sql/queries/subaccounts_count.sql");
const SET_TOPUP: &str = include_str!("../../sql/queries/subaccounts_set_topup.sql");
const SET_ARMED: &str = include_str!("../../sql/queries/subaccounts_set_armed.sql");
const DELETE: &str = include_str!("../../sql/queries/subaccounts_delete.sql");

row! {
    struct SubaccountRow {
        account_id: i64,
        topup_threshold: i64,
        topup_amount: i64,
        topup_set: i64,
        topup_armed: i64,
        deleted_at_us: Option<i64>,
    }
}

row! {
    struct ListedRow {
        account_id: i64,
        login: String,
        contact_name: Option<String>,
        email: Option<String>,
        company: Option<String>,
        topup_threshold: i64,
        topup_amount: i64,
        topup_set: i64,
        usage: i64,
    }
}

/// Automatic top-up of a subaccount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpSettings {
    /// Below so much.
    pub threshold: Money,
    /// So much is moved; zero is off.
    pub amount: Money,
}

/// What only a subaccount has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubaccountRecord {
    /// The account.
    pub account_id: i64,
    /// Its automatic top-up.
    pub topup: TopUpSettings,
    /// Whether that was ever set.
    pub topup_set: bool,
    /// Whether it may fire.
    pub armed: bool,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// A subaccount as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSubaccount {
    /// The account.
    pub account_id: i64,
    /// Its login.
    pub login: String,
    /// Name of a person.
    pub contact_name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Name of a company.
    pub company: Option<String>,
    /// Its automatic top-up, if that was ever set.
    pub topup: Option<TopUpSettings>,
    /// What its calls have cost it.
    pub usage: Money,
}

impl From<SubaccountRow> for SubaccountRecord {
    fn from(row: SubaccountRow) -> Self {
        Self {
            account_id: row.account_id,
            topup: TopUpSettings {
                threshold: Money::from_nanos(row.topup_threshold),
                amount: Money::from_nanos(row.topup_amount),
            },
            topup_set: row.topup_set != 0,
            armed: row.topup_armed != 0,
            deleted_at: row.deleted_at_us.map(from_micros),
        }
    }
}

impl From<ListedRow> for ListedSubaccount {
    fn from(row: ListedRow) -> Self {
        let topup = TopUpSettings {
            threshold: Money::from_nanos(row.topup_threshold),
            amount: Money::from_nanos(row.topup_amount),
        };
        Self {
            account_id: row.account_id,
            login: row.login,
            contact_name: row.contact_name,
            email: row.email,
            company: row.company,
            topup: (row.topup_set != 0).then_some(topup),
            usage: Money::from_nanos(row.usage),
        }
    }
}

async fn by_id(session: &mut impl Session, id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
    let row: Option<SubaccountRow> =
        on!(session, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Into::into))
}

impl Tx {
    /// Adds what makes an account a subaccount.
    pub async fn insert_subaccount(&mut self, account_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT).bind(account_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// A subaccount, a deleted one too.
    pub async fn subaccount(&mut self, account_id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
        by_id(self, account_id).await
    }

    /// How many subaccounts a client has.
    pub async fn count_subaccounts(&mut self, client_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT).bind(client_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Sets the automatic top-up, and arms it.
    pub async fn set_topup(&mut self, account_id: i64, topup: TopUpSettings) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_TOPUP)
            .bind(account_id)
            .bind(topup.threshold.nanos())
            .bind(topup.amount.nanos())
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Says whether the automatic top-up may fire; whether that of a subaccount which is not deleted was changed.
    pub async fn set_topup_armed(&mut self, account_id: i64, armed: bool) -> Result<bool, StoreError> {
        let changed = on!(self, c => sqlx::query(SET_ARMED)
            .bind(account_id)
            .bind(i64::from(armed))
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(changed > 0)
    }

    /// Marks a subaccount as deleted; whether it was not before.
    pub async fn delete_subaccount(&mut self, account_id: i64, at: Timestamp) -> Result<bool, StoreError> {
        let changed = on!(self, c => sqlx::query(DELETE)
            .bind(account_id)
            .bind(to_micros(at))
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(changed > 0)
    }
}

impl Store {
    /// A subaccount, a deleted one too.
    pub async fn subaccount(&self, account_id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
        by_id(&mut self.reader().await?, account_id).await
    }

    /// Every subaccount, the deleted ones too.
    pub async fn subaccounts(&self) -> Result<Vec<SubaccountRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<SubaccountRow> = on!(&mut reader, c => sqlx::query_as(ALL).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// A client's subaccounts, oldest first, the deleted ones left out.
    pub async fn subaccounts_of(&self, client_id: i64) -> Result<Vec<ListedSubaccount>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<ListedRow> =
            on!(&mut reader, c => sqlx::query_as(OF_CLIENT).bind(client_id).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}
