//! The accounts and the catalogue in memory.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::ServiceError;
use crate::catalog::{Catalog, admin};
use crate::clock::Clock;
use crate::directory::phones::Passwords;
use crate::directory::{Account, Directory};
use crate::store::{Store, StoreError};

/// Data in memory that authorising and selling read.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The accounts with their wallets.
    pub directory: Arc<Directory>,
    /// Tariffs, plans, trunks and exchange rates, compiled.
    pub catalog: Arc<Catalog>,
    /// Id of the newest CDR whose charges are included in the wallets' initial balances.
    pub read_to_cdr: i64,
}

/// Sources that memory is loaded from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a dyn Clock,
    /// Currency of the wallets.
    pub(super) currency: &'a str,
}

impl Memory {
    /// Loads the accounts and the catalogue from the database.
    pub(super) async fn load(source: Source<'_>, passwords: Passwords) -> Result<Self, ServiceError> {
        let Source { store, clock, currency } = source;
        // Read this first: the balances read next include every charge up to it.
        let read_to_cdr = store.head().await?.cdr_id;
        let directory = Directory::load(store, currency, passwords).await?;
        let catalog = Catalog::load(store.clone(), currency, clock.now())
            .await
            .map_err(|error| ServiceError::Catalog(error.to_string()))?;
        let memory = Self { directory: Arc::new(directory), catalog: Arc::new(catalog), read_to_cdr };
        for account in memory.directory.all() {
            let settings = account.settings();
            if settings.limits.daily_spend.is_some() {
                memory.restore_spent(source, &account, settings.plan_id).await?;
            }
        }
        Ok(memory)
    }

    /// Reloads an account.
    pub(super) async fn reload_account(&self, source: Source<'_>, id: i64) -> Result<(), StoreError> {
        let is_limited = |account: &Arc<Account>| account.settings().limits.daily_spend.is_some();
        let before = self.directory.account(id);
        let was_limited = before.as_ref().is_some_and(is_limited);
        if let Some(account) = &before
            && let Some(record) = source.store.account_by_id(id).await?
            && record.limits.daily_spend.is_some()
            && !(was_limited && account.settings().plan_id == record.plan_id)
        {
            // Restore before the change is in force: the wallet must not start at zero a day that has already begun.
            self.restore_spent(source, account, record.plan_id).await?;
        }
        self.directory.reload(source.store, source.currency, id).await?;
        match self.directory.account(id) {
            // From now on the wallet counts spending itself.
            Some(account) if !was_limited && is_limited(&account) => {
                let plan_id = account.settings().plan_id;
                self.restore_spent(source, &account, plan_id).await
            }
            _ => Ok(()),
        }
    }

    /// Reads from the ledger the spending of an account with a daily limit, for every day that counts: the day in the
    /// zone of its present or next plan, and the days that began under earlier plans.
    async fn restore_spent(
        &self,
        source: Source<'_>,
        account: &Account,
        plan_id: i64,
    ) -> Result<(), StoreError> {
        let Source { store, clock, .. } = source;
        let now = clock.now();
        let present = match self.catalog.snapshot().plan(plan_id) {
            Some(plan) => plan.spending_day(now),
            // A plan that has no prices at the moment still has its days.
            None => admin::plans::spending_day(&mut store.reader().await?, plan_id, now).await?,
        };
        let mut days = store.spending_days_of(account.id, now).await?;
        days.push(present);
        for day in days {
            let start = Timestamp::from_second(day.start_s()).unwrap_or(now);
            let spent = store.spent_since(account.id, start).await?;
            account.wallet.restore_spent(day, spent);
        }
        Ok(())
    }
}
