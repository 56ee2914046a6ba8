//! Operations of an operator on accounts. Each is one transaction in the store and takes effect at once in a running
//! server.

use tollgate_rating::Money;
use tollgate_rating::number::DialRules;

use super::balance;
pub use super::create::Created;
use super::create::{begin, check_login, check_not_negative, fresh, insert_rows, reseller};
use super::credit::{self, CreditOrder};
pub use super::error::OpsError;
use crate::catalog::admin;
use crate::directory::MAX_CHAIN;
use crate::services::{FEED_ACCOUNT, Services};
use crate::store::Tx;
use crate::store::accounts::{AccountRecord, Kind};

/// Maximum length of a caller number and of a blocked prefix, in digits.
const MAX_DIGITS: usize = 15;
/// Maximum blocked prefixes of an account.
const MAX_BLOCKED_PREFIXES: usize = 200;

/// A reseller to create.
#[derive(Debug)]
pub struct NewReseller {
    /// Its login.
    pub login: String,
    /// Name of its wholesale plan.
    pub plan: String,
    /// Login of the reseller above it.
    pub parent: Option<String>,
    /// Amount by which the balance may fall below zero.
    pub credit_limit: Option<Money>,
}

/// Changes of an account: `None` keeps a value, `Some(None)` removes it.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// True to enable the account, false to disable it.
    pub active: Option<bool>,
    /// Amount by which the balance may fall below zero.
    pub credit_limit: Option<Money>,
    /// Maximum concurrent calls.
    pub max_calls: Option<Option<u32>>,
    /// Maximum new calls per second.
    pub calls_per_second: Option<Option<u32>>,
    /// Maximum spending per day.
    pub daily_spend: Option<Option<Money>>,
    /// Highest price per minute the account may call.
    pub max_price: Option<Option<Money>>,
    /// Maximum length of a call, in seconds.
    pub max_call_seconds: Option<Option<u32>>,
    /// Complete list of prefixes the account may not call.
    pub blocked_prefixes: Option<Vec<String>>,
    /// Caller number that calls present.
    pub callerid: Option<Option<String>>,
    /// Dial rules: how the account's phones write numbers.
    pub dial_rules: Option<Option<String>>,
    /// True if calls may be routed at a loss.
    pub allow_loss: Option<bool>,
}

/// An account with its balance, for display.
#[derive(Debug)]
pub struct AccountView {
    /// The account.
    pub account: AccountRecord,
    /// Name of its plan.
    pub plan: String,
    /// Login of the account above it.
    pub reseller: Option<String>,
    /// Balance: the sum of its ledger entries.
    pub balance: Money,
    /// Credit held for open calls.
    pub held: Money,
    /// Credit that can still be spent or held.
    pub available: Money,
    /// Number of open calls.
    pub calls: usize,
    /// Currency of its wallet.
    pub currency: String,
}

/// Creates a reseller.
pub async fn create_reseller(services: &Services, new: NewReseller) -> Result<Created, OpsError> {
    check_login(&new.login)?;
    let credit_limit = check_not_negative("credit-limit", new.credit_limit)?;
    let plan_id = plan_id(services, &new.plan).await?;
    let mut tx = begin(services).await?;
    let parent = match &new.parent {
        Some(login) => {
            let parent = reseller(&mut tx, login).await?;
            // The new reseller's clients add one more payer below it.
            if chain_length(services, &parent).await? + 2 > MAX_CHAIN {
                return Err(OpsError::TooDeep(login.clone()));
            }
            Some(parent.id)
        }
        None => None,
    };
    let account = fresh(services, &mut tx, new.login, Kind::Reseller, parent, plan_id, credit_limit).await?;
    insert(services, tx, account, false).await
}

/// Changes an account; a refused change has no effect.
pub async fn set(services: &Services, login: &str, change: AccountChange) -> Result<AccountView, OpsError> {
    check_change(&change)?;
    let mut tx = begin(services).await?;
    let mut account =
        tx.account_by_login(login).await?.ok_or_else(|| OpsError::UnknownAccount(login.to_owned()))?;
    apply(&mut account, change);
    tx.update_account(&account).await?;
    tx.append_feed("account", account.id, services.clock.now()).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    show(services, login).await
}

/// Changes a client's plan, and with it that of its subaccounts, to a plan that belongs to the account above the
/// client. A plan of another owner counts as unknown; the client's present plan is accepted from any owner.
pub async fn change_plan(services: &Services, account_id: i64, plan_id: i64) -> Result<(), OpsError> {
    let mut tx = begin(services).await?;
    let client = tx.account_by_id(account_id).await?.filter(|account| account.kind == Kind::Client);
    let client = client.ok_or_else(|| OpsError::UnknownAccount(account_id.to_string()))?;
    if client.plan_id != plan_id && tx.plan_owner(plan_id).await? != Some(client.parent_id) {
        return Err(OpsError::UnknownPlan(plan_id.to_string()));
    }
    let mut changed = tx.subaccounts_of(client.id).await?;
    // The client comes last: reloading it also gives its subaccounts their plan in memory.
    changed.push(client);
    changed.retain(|account| account.plan_id != plan_id);
    let now = services.clock.now();
    for account in &mut changed {
        // The current day of the previous plan's zone counts until it is over.
        let begun = admin::plans::spending_day(&mut tx, account.plan_id, now).await?;
        tx.keep_spending_day(account.id, begun, now).await?;
        account.plan_id = plan_id;
        tx.update_account(account).await?;
        tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    }
    tx.commit().await?;
    for account in &changed {
        services.reload_account(account.id).await?;
    }
    Ok(())
}

/// Credits an account, or debits it if the amount is negative; returns the new balance.
pub async fn credit(
    services: &Services,
    login: &str,
    amount: Money,
    reference: &str,
) -> Result<Money, OpsError> {
    let order = CreditOrder { login, amount, reference, key: None };
    Ok(credit::give(services, &order).await?.balance)
}

/// Reads an account with its balance.
pub async fn show(services: &Services, login: &str) -> Result<AccountView, OpsError> {
    let account = services
        .store
        .account_by_login(login)
        .await?
        .ok_or_else(|| OpsError::UnknownAccount(login.to_owned()))?;
    let plan = services.store.plan_name(account.plan_id).await?.unwrap_or_default();
    let reseller = match account.parent_id {
        Some(id) => services.store.account_by_id(id).await?.map(|parent| parent.login),
        None => None,
    };
    let money = balance::account_money(services, &account).await?;
    Ok(AccountView {
        account,
        plan,
        reseller,
        balance: money.balance,
        held: money.held,
        available: money.available,
        calls: money.calls,
        currency: services.currency().to_owned(),
    })
}

async fn insert(
    services: &Services,
    mut tx: Tx,
    account: AccountRecord,
    with_sip: bool,
) -> Result<Created, OpsError> {
    let sip_password = insert_rows(services, &mut tx, &account, with_sip).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    Ok(Created { id: account.id, login: account.login, sip_password })
}

/// Counts the payers from this account to the top.
async fn chain_length(services: &Services, account: &AccountRecord) -> Result<usize, OpsError> {
    let mut length = 1;
    let mut above = account.parent_id;
    while let Some(id) = above {
        length += 1;
        above = services.store.account_by_id(id).await?.and_then(|account| account.parent_id);
    }
    Ok(length)
}

async fn plan_id(services: &Services, name: &str) -> Result<i64, OpsError> {
    services.store.plan_id(name).await?.ok_or_else(|| OpsError::UnknownPlan(name.to_owned()))
}

fn check_change(change: &AccountChange) -> Result<(), OpsError> {
    let bad = |field, reason: String| Err(OpsError::BadValue { field, reason });
    check_not_negative("credit-limit", change.credit_limit)?;
    check_not_negative("daily-spend", change.daily_spend.flatten())?;
    check_not_negative("max-price", change.max_price.flatten())?;
    if let Some(Some(seconds)) = change.max_call_seconds
        && !(1..=86_400).contains(&seconds)
    {
        return bad("max-call-seconds", "must be 1 to 86400".to_owned());
    }
    if let Some(prefixes) = &change.blocked_prefixes {
        if prefixes.len() > MAX_BLOCKED_PREFIXES {
            return bad("block", format!("at most {MAX_BLOCKED_PREFIXES} prefixes"));
        }
        for prefix in prefixes {
            if !is_digits(prefix) {
                return bad("block", format!("{prefix:?} is not a prefix of 1 to 15 digits"));
            }
        }
    }
    if let Some(Some(number)) = &change.callerid
        && !is_digits(number.strip_prefix('+').unwrap_or(number))
    {
        return bad("callerid", format!("{number:?} is not a number of 1 to 15 digits"));
    }
    if let Some(Some(rules)) = &change.dial_rules
        && let Err(error) = rules.parse::<DialRules>()
    {
        return bad("dial-rule", error.to_string());
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn apply(account: &mut AccountRecord, change: AccountChange) {
    fn put<T>(target: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *target = value;
        }
    }
    put(&mut account.active, change.active);
    put(&mut account.credit_limit, change.credit_limit);
    put(&mut account.limits.max_calls, change.max_calls);
    put(&mut account.limits.calls_per_second, change.calls_per_second);
    put(&mut account.limits.daily_spend, change.daily_spend);
    put(&mut account.limits.max_price, change.max_price);
    put(&mut account.limits.max_call_seconds, change.max_call_seconds);
    put(&mut account.limits.blocked_prefixes, change.blocked_prefixes);
    put(&mut account.callerid, change.callerid);
    put(&mut account.dial_rules, change.dial_rules);
    put(&mut account.allow_loss, change.allow_loss);
}
