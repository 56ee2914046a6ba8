//! Creation of accounts: the rows, logins and checks that all kinds share.

use tollgate_rating::Money;

use super::error::OpsError;
use super::sip_account::insert_main;
use crate::directory::login;
use crate::services::{FEED_ACCOUNT, Services};
use crate::store::accounts::{AccountLimits, AccountRecord, Kind};
use crate::store::{Reserved, Tx};

/// Maximum credit, credit limit or price: a thousand million units, far below the range of a wallet.
pub const MAX_CREDIT: Money = Money::from_nanos(1_000_000_000 * 1_000_000_000);
/// Maximum tries to find a free random login. With a billion possible logins a second try is rare.
const LOGIN_TRIES: usize = 20;

/// A created account.
#[derive(Debug)]
pub struct Created {
    /// Its id.
    pub id: i64,
    /// Its login.
    pub login: String,
    /// Password of its main SIP account, shown only once; `None` for a reseller.
    pub sip_password: Option<String>,
}

/// Writes an account and, where it has one, its main SIP account; returns that SIP account's password.
pub(super) async fn insert_rows(
    services: &Services,
    tx: &mut Tx,
    account: &AccountRecord,
    with_sip: bool,
) -> Result<Option<String>, OpsError> {
    if tx.name_owner(&account.login).await?.is_some() || tx.trunk_endpoint_exists(&account.login).await? {
        return Err(OpsError::NameTaken(account.login.clone()));
    }
    tx.insert_account(account).await?;
    let position = tx.append_feed(FEED_ACCOUNT, account.id, account.created_at).await?;
    Ok(if with_sip { Some(insert_main(services, tx, account, position).await?) } else { None })
}

pub(super) async fn fresh(
    services: &Services,
    tx: &mut Tx,
    login: String,
    kind: Kind,
    parent_id: Option<i64>,
    plan_id: i64,
    credit_limit: Money,
) -> Result<AccountRecord, OpsError> {
    Ok(AccountRecord {
        id: tx.next_account_id().await?,
        login,
        kind,
        parent_id,
        plan_id,
        active: true,
        credit_limit,
        limits: AccountLimits::default(),
        callerid: None,
        dial_rules: None,
        allow_loss: false,
        created_at: services.clock.now(),
    })
}

pub(super) async fn free_login(tx: &mut Tx) -> Result<String, OpsError> {
    for _ in 0..LOGIN_TRIES {
        let login = login::generate();
        if tx.name_owner(&login).await?.is_none() {
            return Ok(login);
        }
    }
    Err(OpsError::NoFreeLogin)
}

pub(super) async fn reseller(tx: &mut Tx, login: &str) -> Result<AccountRecord, OpsError> {
    let account =
        tx.account_by_login(login).await?.ok_or_else(|| OpsError::UnknownAccount(login.to_owned()))?;
    if account.kind == Kind::Reseller { Ok(account) } else { Err(OpsError::NotAReseller(login.to_owned())) }
}

pub(super) fn check_login(login: &str) -> Result<(), OpsError> {
    login::check(login).map_err(|source| OpsError::BadLogin { login: login.to_owned(), source })
}

pub(super) fn check_not_negative(field: &'static str, amount: Option<Money>) -> Result<Money, OpsError> {
    let amount = amount.unwrap_or(Money::ZERO);
    if amount.is_negative() || amount > MAX_CREDIT {
        return Err(OpsError::BadValue { field, reason: "must be 0 to 1000000000".to_owned() });
    }
    Ok(amount)
}

/// Begins a transaction that holds the counters' lock, so that concurrent choices of a name or an id are serialised.
pub(super) async fn begin(services: &Services) -> Result<Tx, OpsError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    Ok(tx)
}
