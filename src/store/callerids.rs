//! Numbers that accounts may present.

use jiff::Timestamp;

use super::{Session, Store, StoreError, Tx, from_micros, on, row, to_micros};

const OF: &str = include_str!("../../sql/queries/callerids_of.sql");
const BY_ID: &str = include_str!("../../sql/queries/callerids_by_id.sql");
const INSERT: &str = include_str!("../../sql/queries/callerids_insert.sql");
const APPROVE: &str = include_str!("../../sql/queries/callerids_approve.sql");
const DELETE: &str = include_str!("../../sql/queries/callerids_delete.sql");

row! {
    struct CalleridRow {
        id: i64,
        account_id: i64,
        cid: String,
        name: String,
        approved: i64,
        created_at_us: i64,
    }
}

/// A caller number of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalleridRecord {
    /// Id: the feed position of the change that created it.
    pub id: i64,
    /// Id of the account.
    pub account_id: i64,
    /// `+` and digits.
    pub cid: String,
    /// Name chosen by its owner.
    pub name: String,
    /// True if the operator has approved it, or approval is not required.
    pub approved: bool,
    /// Time of creation.
    pub created_at: Timestamp,
}

impl CalleridRow {
    fn record(self) -> CalleridRecord {
        CalleridRecord {
            id: self.id,
            account_id: self.account_id,
            cid: self.cid,
            name: self.name,
            approved: self.approved != 0,
            created_at: from_micros(self.created_at_us),
        }
    }
}

async fn of(session: &mut impl Session, account_id: i64) -> Result<Vec<CalleridRecord>, StoreError> {
    let rows: Vec<CalleridRow> = on!(session, c => sqlx::query_as(OF).bind(account_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(CalleridRow::record).collect())
}

impl Tx {
    /// Reads an account's numbers, newest first.
    pub async fn callerids_of(&mut self, account_id: i64) -> Result<Vec<CalleridRecord>, StoreError> {
        of(self, account_id).await
    }

    /// Reads a number by its id.
    pub async fn callerid_by_id(&mut self, id: i64) -> Result<Option<CalleridRecord>, StoreError> {
        let row: Option<CalleridRow> =
            on!(self, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        Ok(row.map(CalleridRow::record))
    }

    /// Inserts a number.
    pub async fn insert_callerid(&mut self, callerid: &CalleridRecord) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(callerid.id)
            .bind(callerid.account_id)
            .bind(&callerid.cid)
            .bind(&callerid.name)
            .bind(i64::from(callerid.approved))
            .bind(to_micros(callerid.created_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Approves a number.
    pub async fn approve_callerid(&mut self, id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(APPROVE).bind(id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Deletes a number.
    pub async fn delete_callerid(&mut self, id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DELETE).bind(id).execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads an account's numbers, newest first.
    pub async fn callerids_of(&self, account_id: i64) -> Result<Vec<CalleridRecord>, StoreError> {
        of(&mut self.reader().await?, account_id).await
    }
}
