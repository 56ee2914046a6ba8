//! An account's balance, held credit and open calls.

use tollgate_rating::Money;

use super::error::OpsError;
use crate::directory::wallet_balance;
use crate::services::Services;
use crate::store::accounts::AccountRecord;
use crate::store::{Store, StoreError};

/// Balance, held credit and open calls of an account.
#[derive(Debug, Clone, Copy)]
pub struct AccountMoney {
    /// Balance: the sum of the account's ledger entries.
    pub balance: Money,
    /// Credit held for open calls.
    pub held: Money,
    /// Credit that can still be spent or held.
    pub available: Money,
    /// Number of open calls that the account pays for.
    pub calls: usize,
}

/// Reads balance, held credit and calls of an account: from its wallet in memory if loaded, else from the database.
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
    // Read the journal first: a settlement in between is then counted twice, never left out.
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

/// Reads an account's balance from the ledger.
async fn ledger_balance(store: &Store, id: i64, currency: &str) -> Result<Money, StoreError> {
    wallet_balance(&store.balance(id, currency).await?)
}
