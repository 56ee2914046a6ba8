//! An account's balance, held credit and open calls.

use tollgate_rating::Money;

use super::error::OpsError;
use crate::directory::wallet_balance;
use crate::services::Services;
use crate::store::accounts::AccountRecord;
use crate::store::{Store, StoreError};

/// An account's money, for showing.
#[derive(Debug, Clone, Copy)]
pub struct AccountMoney {
    /// The sum of its entries.
    pub balance: Money,
    /// Set aside for open calls.
    pub held: Money,
    /// What it can still spend.
    pub available: Money,
    /// Open calls that it pays for.
    pub calls: usize,
}

/// Balance, held credit and calls of an account: of its wallet in memory, else of the database.
pub async fn account_money(services: &Services, account: &AccountRecord) -> Result<AccountMoney, OpsError> {
    if let Some(memory) = services.memory_if_loaded()
        && let Some(live) = memory.directory.account(account.id)
    {
        let wallet = live.wallet.snapshot();
        return Ok(AccountMoney {
            balance: wallet.balance,
            held: wallet.held,
            available: wallet.available,
            calls: usize::try_from(wallet.calls).unwrap_or(usize::MAX),
        });
    }
    // The journal first: a settlement in between then counts twice, never not at all.
    let journal = services.store.open_calls().await?;
    let balance = ledger_balance(&services.store, account.id, services.currency()).await?;
    let mut held = services.store.held_of(account.id).await?;
    let mut calls = 0;
    for call in journal {
        for part in call.held.iter().filter(|part| part.account_id == account.id) {
            held = held.checked_add(part.amount).unwrap_or(Money::MAX);
            calls += 1;
        }
    }
    let available =
        balance.checked_add(account.credit_limit).and_then(|sum| sum.checked_sub(held)).unwrap_or(balance);
    Ok(AccountMoney { balance, held, available, calls })
}

/// An account's balance in the ledger.
async fn ledger_balance(store: &Store, id: i64, currency: &str) -> Result<Money, StoreError> {
    wallet_balance(&store.balance(id, currency).await?)
}
