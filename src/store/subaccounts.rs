//! Data specific to subaccounts: the automatic top-up and the deletion mark.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Session, Store, StoreError, Tx, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/subaccounts_insert.sql");
const BY_ACCOUNT: &str = include_str!("../../sql/queries/subaccounts_by_account.sql");
const PAGE: &str = include_str!("../../sql/queries/subaccounts_page.sql");
const OF_CLIENT: &str = include_str!("../../sql/queries/subaccounts_of_client.sql");
const COUNT: &str = include_str!("../../sql/queries/subaccounts_count.sql");
const EVER: &str = include_str!("../../sql/queries/subaccounts_ever.sql");
const SET_TOP_UP: &str = include_str!("../../sql/queries/subaccounts_set_top_up.sql");
const SET_ARMED: &str = include_str!("../../sql/queries/subaccounts_set_armed.sql");
const DELETE: &str = include_str!("../../sql/queries/subaccounts_delete.sql");

/// Number of rows per page when everything is loaded.
const PAGE_ROWS: i64 = 5_000;

row! {
    struct Row {
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
        spent_nanos: i64,
    }
}

/// A subaccount's automatic top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpSetting {
    /// The top-up is due when the balance is below this amount.
    pub threshold: Money,
    /// Amount of a top-up; zero disables it.
    pub amount: Money,
}

/// A subaccount as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubaccountRecord {
    /// Id of its account.
    pub account_id: i64,
    /// Top-up setting; `None` until set.
    pub top_up: Option<TopUpSetting>,
    /// True if a fall below the threshold triggers a top-up: false from a top-up until the balance has reached the
    /// threshold again.
    pub armed: bool,
    /// True if it was deleted.
    pub deleted: bool,
}

/// A subaccount as shown to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSubaccount {
    /// Id of its account.
    pub account_id: i64,
    /// Login, which is its id in the API.
    pub login: String,
    /// Name of the contact.
    pub contact_name: Option<String>,
    /// Mail address of the contact.
    pub email: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Top-up setting; `None` until set.
    pub top_up: Option<TopUpSetting>,
    /// Total charges of its calls.
    pub spent: Money,
}

fn top_up(set: i64, threshold: i64, amount: i64) -> Option<TopUpSetting> {
    let setting = TopUpSetting { threshold: Money::from_nanos(threshold), amount: Money::from_nanos(amount) };
    (set != 0).then_some(setting)
}

impl From<Row> for SubaccountRecord {
    fn from(row: Row) -> Self {
        Self {
            account_id: row.account_id,
            top_up: top_up(row.topup_set, row.topup_threshold, row.topup_amount),
            armed: row.topup_armed != 0,
            deleted: row.deleted_at_us.is_some(),
        }
    }
}

impl From<ListedRow> for ListedSubaccount {
    fn from(row: ListedRow) -> Self {
        Self {
            account_id: row.account_id,
            login: row.login,
            contact_name: row.contact_name,
            email: row.email,
            company: row.company,
            top_up: top_up(row.topup_set, row.topup_threshold, row.topup_amount),
            spent: Money::from_nanos(row.spent_nanos),
        }
    }
}

async fn by_account(session: &mut impl Session, id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
    let row: Option<Row> = on!(session, c => sqlx::query_as(BY_ACCOUNT).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Into::into))
}

impl Tx {
    /// Inserts the subaccount data of an account, without a top-up.
    pub async fn insert_subaccount(&mut self, account_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT).bind(account_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads a subaccount by its account.
    pub async fn subaccount(&mut self, account_id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
        by_account(self, account_id).await
    }

    /// Counts all subaccounts a client has ever had.
    pub async fn count_subaccounts_ever(&mut self, client_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(EVER).bind(client_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Counts a client's subaccounts that are not deleted.
    pub async fn count_subaccounts(&mut self, client_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT).bind(client_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Sets a subaccount's top-up and arms it.
    pub async fn set_top_up(&mut self, account_id: i64, setting: TopUpSetting) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_TOP_UP).bind(account_id).bind(setting.threshold.nanos())
            .bind(setting.amount.nanos()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Arms or disarms a subaccount's top-up.
    pub async fn set_armed(&mut self, account_id: i64, armed: bool) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_ARMED).bind(account_id).bind(i64::from(armed))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Marks a subaccount as deleted.
    pub async fn delete_subaccount(&mut self, account_id: i64, at: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DELETE).bind(account_id).bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads a subaccount by its account.
    pub async fn subaccount(&self, account_id: i64) -> Result<Option<SubaccountRecord>, StoreError> {
        by_account(&mut self.reader().await?, account_id).await
    }

    /// Reads the next page of subaccounts after an account id, deleted ones included; empty at the end.
    pub async fn subaccounts_after(&self, account_id: i64) -> Result<Vec<SubaccountRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<Row> =
            on!(&mut reader, c => sqlx::query_as(PAGE).bind(account_id).bind(PAGE_ROWS).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Reads a client's undeleted subaccounts, oldest first; with `login` only that one.
    pub async fn subaccounts_of(
        &self,
        client_id: i64,
        login: Option<&str>,
    ) -> Result<Vec<ListedSubaccount>, StoreError> {
        // PostgreSQL does not accept NUL in a text, so no account has such a login.
        if login.is_some_and(|login| login.contains('\0')) {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let rows: Vec<ListedRow> = on!(&mut reader, c => sqlx::query_as(OF_CLIENT).bind(client_id).bind(login)
            .fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Rearms a subaccount's top-up.
    pub async fn arm_top_up(&self, account_id: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.set_armed(account_id, true).await?;
        tx.commit().await
    }
}
