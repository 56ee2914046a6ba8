//! Accounts, and the namespace shared by logins and peers.

use jiff::Timestamp;
use serde::Serialize;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const NEXT_ID: &str = include_str!("../../sql/queries/accounts_next_id.sql");
const INSERT: &str = include_str!("../../sql/queries/accounts_insert.sql");
const UPDATE: &str = include_str!("../../sql/queries/accounts_update.sql");
const FOLLOW_PLAN: &str = include_str!("../../sql/queries/accounts_follow_plan.sql");
const BY_LOGIN: &str = include_str!("../../sql/queries/accounts_by_login.sql");
const BY_ID: &str = include_str!("../../sql/queries/accounts_by_id.sql");
const PAGE: &str = include_str!("../../sql/queries/accounts_page.sql");
const SUBACCOUNTS_OF: &str = include_str!("../../sql/queries/accounts_subaccounts_of.sql");
const RESELLERS_ON_PLAN: &str = include_str!("../../sql/queries/accounts_resellers_on_plan.sql");
const CLIENTS_OF: &str = include_str!("../../sql/queries/accounts_clients_of.sql");
const CLIENTS_COUNT: &str = include_str!("../../sql/queries/accounts_clients_count.sql");
const NAME_INSERT: &str = include_str!("../../sql/queries/names_insert.sql");
const NAME_FIND: &str = include_str!("../../sql/queries/names_find.sql");
const PLAN_ID: &str = include_str!("../../sql/queries/plan_id.sql");
const PLAN_NAME: &str = include_str!("../../sql/queries/plan_name.sql");
const PLAN_OWNER: &str = include_str!("../../sql/queries/plan_owner.sql");
const TRUNK_ENDPOINTS: &str = include_str!("../../sql/queries/trunk_endpoint_count.sql");
const CDR_CHARGES: &str = include_str!("../../sql/queries/cdr_charges.sql");
const SPENT_SINCE: &str = include_str!("../../sql/queries/spent_since.sql");

/// Number of rows per page when everything is loaded.
const PAGE_ROWS: i64 = 5_000;

/// Kind of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sells to clients; pays wholesale prices.
    Reseller,
    /// Has phones; pays retail prices.
    Client,
    /// A client's account with its own wallet.
    Subaccount,
}

impl Kind {
    /// Returns the name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reseller => "reseller",
            Self::Client => "client",
            Self::Subaccount => "subaccount",
        }
    }

    /// Parses a name returned by [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reseller, Self::Client, Self::Subaccount].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An account as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Id, from 100.
    pub id: i64,
    /// Login, in one namespace with peers' names.
    pub login: String,
    /// Kind of the account.
    pub kind: Kind,
    /// Id of the parent account.
    pub parent_id: Option<i64>,
    /// Id of the plan that prices its calls.
    pub plan_id: i64,
    /// True if the account may call.
    pub active: bool,
    /// Credit limit: how far below zero its balance may go.
    pub credit_limit: Money,
    /// Limits other than credit.
    pub limits: AccountLimits,
    /// Caller number its calls present, in place of the phone's.
    pub callerid: Option<String>,
    /// Rewrite rules for the number formats its phones dial, as given (`00=>,0=>49`).
    pub dial_rules: Option<String>,
    /// True if its calls may be routed at a loss.
    pub allow_loss: bool,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// Limits other than credit; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Maximum concurrent calls, including its clients' calls.
    pub max_calls: Option<u32>,
    /// Maximum new calls per second.
    pub calls_per_second: Option<u32>,
    /// Maximum spend per day, in the plan's time zone.
    pub daily_spend: Option<Money>,
    /// Highest price per minute the account may call.
    pub max_price: Option<Money>,
    /// Maximum duration of a call in seconds.
    pub max_call_seconds: Option<u32>,
    /// Blocked prefixes, digits only.
    pub blocked_prefixes: Vec<String>,
}

row! {
    struct AccountRow {
        id: i64,
        login: String,
        kind: String,
        parent_id: Option<i64>,
        plan_id: i64,
        active: i64,
        credit_limit_nanos: i64,
        max_calls: Option<i64>,
        calls_per_second: Option<i64>,
        daily_spend_nanos: Option<i64>,
        max_price_nanos: Option<i64>,
        max_call_seconds: Option<i64>,
        blocked_prefixes: String,
        callerid: Option<String>,
        dial_rules: Option<String>,
        allow_loss: i64,
        created_at_us: i64,
    }
}

impl AccountRow {
    fn record(self) -> Result<AccountRecord, StoreError> {
        let id = self.id;
        let wrong = |what: &str| StoreError::Inconsistent {
            table: "accounts",
            reason: format!("account {id}: {what}"),
        };
        let count = |value: Option<i64>, what: &str| {
            value.map(|value| u32::try_from(value).map_err(|_| wrong(what))).transpose()
        };
        Ok(AccountRecord {
            kind: Kind::parse(&self.kind).ok_or_else(|| wrong("kind"))?,
            limits: AccountLimits {
                max_calls: count(self.max_calls, "max_calls")?,
                calls_per_second: count(self.calls_per_second, "calls_per_second")?,
                daily_spend: self.daily_spend_nanos.map(Money::from_nanos),
                max_price: self.max_price_nanos.map(Money::from_nanos),
                max_call_seconds: count(self.max_call_seconds, "max_call_seconds")?,
                blocked_prefixes: self
                    .blocked_prefixes
                    .split(',')
                    .filter(|prefix| !prefix.is_empty())
                    .map(str::to_owned)
                    .collect(),
            },
            id: self.id,
            login: self.login,
            parent_id: self.parent_id,
            plan_id: self.plan_id,
            active: self.active != 0,
            credit_limit: Money::from_nanos(self.credit_limit_nanos),
            callerid: self.callerid,
            dial_rules: self.dial_rules,
            allow_loss: self.allow_loss != 0,
            created_at: from_micros(self.created_at_us),
        })
    }
}

impl Tx {
    /// Returns the id of the next account. Reserve ids or append to the feed first: that lock makes the id exclusive.
    pub async fn next_account_id(&mut self) -> Result<i64, StoreError> {
        let (id,): (i64,) = on!(self, c => sqlx::query_as(NEXT_ID).fetch_one(c).await)?;
        Ok(id)
    }

    /// Inserts an account and adds its login to the namespace.
    pub async fn insert_account(&mut self, account: &AccountRecord) -> Result<(), StoreError> {
        let limits = &account.limits;
        on!(self, c => sqlx::query(INSERT)
            .bind(account.id)
            .bind(&account.login)
            .bind(account.kind.as_str())
            .bind(account.parent_id)
            .bind(account.plan_id)
            .bind(i64::from(account.active))
            .bind(account.credit_limit.nanos())
            .bind(limits.max_calls.map(i64::from))
            .bind(limits.calls_per_second.map(i64::from))
            .bind(limits.daily_spend.map(Money::nanos))
            .bind(limits.max_price.map(Money::nanos))
            .bind(limits.max_call_seconds.map(i64::from))
            .bind(limits.blocked_prefixes.join(","))
            .bind(&account.callerid)
            .bind(&account.dial_rules)
            .bind(i64::from(account.allow_loss))
            .bind(to_micros(account.created_at))
            .execute(c).await.map(drop))?;
        self.insert_name(&account.login, account.id).await
    }

    /// Updates the mutable columns of an account. A client's subaccounts get its plan.
    pub async fn update_account(&mut self, account: &AccountRecord) -> Result<(), StoreError> {
        let limits = &account.limits;
        on!(self, c => sqlx::query(UPDATE)
            .bind(account.id)
            .bind(account.plan_id)
            .bind(i64::from(account.active))
            .bind(account.credit_limit.nanos())
            .bind(limits.max_calls.map(i64::from))
            .bind(limits.calls_per_second.map(i64::from))
            .bind(limits.daily_spend.map(Money::nanos))
            .bind(limits.max_price.map(Money::nanos))
            .bind(limits.max_call_seconds.map(i64::from))
            .bind(limits.blocked_prefixes.join(","))
            .bind(&account.callerid)
            .bind(&account.dial_rules)
            .bind(i64::from(account.allow_loss))
            .execute(c).await.map(drop))?;
        if account.kind == Kind::Client {
            on!(self, c => sqlx::query(FOLLOW_PLAN).bind(account.id).bind(account.plan_id)
                .execute(c).await.map(drop))?;
        }
        Ok(())
    }

    /// Reads an account within this transaction.
    pub async fn account_by_login(&mut self, login: &str) -> Result<Option<AccountRecord>, StoreError> {
        // PostgreSQL does not accept NUL in a text, so no account has such a login.
        if login.contains('\0') {
            return Ok(None);
        }
        let row: Option<AccountRow> =
            on!(self, c => sqlx::query_as(BY_LOGIN).bind(login).fetch_optional(c).await)?;
        row.map(AccountRow::record).transpose()
    }

    /// Reads an account by its id within this transaction.
    pub async fn account_by_id(&mut self, id: i64) -> Result<Option<AccountRecord>, StoreError> {
        let row: Option<AccountRow> = on!(self, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        row.map(AccountRow::record).transpose()
    }

    /// Reads the subaccounts of a client.
    pub async fn subaccounts_of(&mut self, client_id: i64) -> Result<Vec<AccountRecord>, StoreError> {
        let rows: Vec<AccountRow> =
            on!(self, c => sqlx::query_as(SUBACCOUNTS_OF).bind(client_id).fetch_all(c).await)?;
        rows.into_iter().map(AccountRow::record).collect()
    }

    /// Counts the resellers on a plan.
    pub async fn resellers_on_plan(&mut self, plan_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(RESELLERS_ON_PLAN).bind(plan_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Returns the owner of a plan: `Some(None)` for a plan of the operator, `None` if there is no such plan.
    pub async fn plan_owner(&mut self, plan_id: i64) -> Result<Option<Option<i64>>, StoreError> {
        let row: Option<(Option<i64>,)> =
            on!(self, c => sqlx::query_as(PLAN_OWNER).bind(plan_id).fetch_optional(c).await)?;
        Ok(row.map(|(owner,)| owner))
    }

    /// Adds a name to the shared namespace of logins and peers; an existing name is a database error.
    pub async fn insert_name(&mut self, name: &str, account_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(NAME_INSERT).bind(name).bind(account_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Returns the account that owns a name.
    pub async fn name_owner(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> =
            on!(self, c => sqlx::query_as(NAME_FIND).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(id,)| id))
    }

    /// Reports whether a trunk uses a PJSIP endpoint of this name, which no peer may share.
    pub async fn trunk_endpoint_exists(&mut self, endpoint: &str) -> Result<bool, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(TRUNK_ENDPOINTS).bind(endpoint).fetch_one(c).await)?;
        Ok(count > 0)
    }
}

impl Tx {
    /// Counts the clients of a reseller.
    pub async fn count_clients(&mut self, reseller_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(CLIENTS_COUNT).bind(reseller_id).fetch_one(c).await)?;
        Ok(count)
    }
}

impl Store {
    /// Returns a plan's id.
    pub async fn plan_id(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(i64,)> =
            on!(&mut reader, c => sqlx::query_as(PLAN_ID).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(id,)| id))
    }

    /// Returns a plan's name.
    pub async fn plan_name(&self, id: i64) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(String,)> =
            on!(&mut reader, c => sqlx::query_as(PLAN_NAME).bind(id).fetch_optional(c).await)?;
        Ok(row.map(|(name,)| name))
    }

    /// Returns the charges of a recorded call: payer account and charge, the client first.
    pub async fn cdr_charges(&self, cdr_id: i64) -> Result<Vec<(i64, Money)>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<(i64, i64)> =
            on!(&mut reader, c => sqlx::query_as(CDR_CHARGES).bind(cdr_id).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(account, nanos)| (account, Money::from_nanos(nanos))).collect())
    }

    /// Sums the charges of an account's calls since a time.
    pub async fn spent_since(&self, account_id: i64, since: Timestamp) -> Result<Money, StoreError> {
        let mut reader = self.reader().await?;
        let (nanos,): (i64,) = on!(&mut reader, c => sqlx::query_as(SPENT_SINCE)
            .bind(account_id).bind(to_micros(since)).fetch_one(c).await)?;
        Ok(Money::from_nanos(nanos))
    }

    /// Reads an account by its login.
    pub async fn account_by_login(&self, login: &str) -> Result<Option<AccountRecord>, StoreError> {
        // PostgreSQL does not accept NUL in a text, so no account has such a login.
        if login.contains('\0') {
            return Ok(None);
        }
        let mut reader = self.reader().await?;
        let row: Option<AccountRow> =
            on!(&mut reader, c => sqlx::query_as(BY_LOGIN).bind(login).fetch_optional(c).await)?;
        row.map(AccountRow::record).transpose()
    }

    /// Reads an account by its id.
    pub async fn account_by_id(&self, id: i64) -> Result<Option<AccountRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<AccountRow> =
            on!(&mut reader, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        row.map(AccountRow::record).transpose()
    }

    /// Reads the next page of accounts after an id, by id; empty at the end.
    pub async fn accounts_after(&self, id: i64) -> Result<Vec<AccountRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<AccountRow> =
            on!(&mut reader, c => sqlx::query_as(PAGE).bind(id).bind(PAGE_ROWS).fetch_all(c).await)?;
        rows.into_iter().map(AccountRow::record).collect()
    }

    /// Reads a page of a reseller's own clients, newest first, and their total number.
    pub async fn clients_of(
        &self,
        reseller_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<AccountRecord>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let (total,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(CLIENTS_COUNT).bind(reseller_id).fetch_one(c).await)?;
        let rows: Vec<AccountRow> = on!(&mut reader, c => sqlx::query_as(CLIENTS_OF)
            .bind(reseller_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let page: Result<Vec<_>, _> = rows.into_iter().map(AccountRow::record).collect();
        Ok((page?, total))
    }
}
