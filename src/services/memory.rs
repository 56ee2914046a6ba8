//! The accounts and the catalogue in memory.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::ServiceError;
use super::shared::Services;
use crate::catalog::{Catalog, admin};
use crate::directory::{Account, Directory};
use crate::store::StoreError;

/// What authorising and selling read in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The accounts with their wallets.
    pub directory: Arc<Directory>,
    /// Tariffs, plans, trunks and exchange rates, compiled.
    pub catalog: Arc<Catalog>,
    /// The newest CDR whose charges are in the balances that the wallets began with.
    pub read_to_cdr: i64,
}

impl Memory {
    /// Reads the accounts and the catalogue from the database.
    pub(super) async fn load(services: &Services) -> Result<Self, ServiceError> {
        let Services { store, clock, .. } = services;
        // Read first: every charge up to there is in the balances that are read next.
        let read_to_cdr = store.head().await?.cdr_id;
        let directory = Directory::load(store, services.currency(), services.passwords()).await?;
        let catalog = Catalog::load(store.clone(), services.currency(), clock.now())
            .await
            .map_err(|error| ServiceError::Catalog(error.to_string()))?;
        let memory = Self { directory: Arc::new(directory), catalog: Arc::new(catalog), read_to_cdr };
        for account in memory.directory.all() {
            let settings = account.settings();
            if settings.limits.daily_spend.is_some() {
                memory.restore_spent(services, &account, settings.plan_id).await?;
            }
        }
        Ok(memory)
    }

    /// Reads an account again.
    pub(super) async fn reload_account(&self, services: &Services, id: i64) -> Result<(), StoreError> {
        let is_limited = |account: &Arc<Account>| account.settings().limits.daily_spend.is_some();
        let before = self.directory.account(id);
        let was_limited = before.as_ref().is_some_and(is_limited);
        if let Some(account) = &before
            && let Some(record) = services.store.account_by_id(id).await?
            && record.limits.daily_spend.is_some()
            && !(was_limited && account.settings().plan_id == record.plan_id)
        {
            // Before the change is in force: the wallet must not begin a day that has begun already at zero.
            self.restore_spent(services, account, record.plan_id).await?;
        }
        self.directory.reload(&services.store, services.currency(), id).await?;
        match self.directory.account(id) {
            // From now on the wallet counts spending by itself.
            Some(account) if !was_limited && is_limited(&account) => {
                let plan_id = account.settings().plan_id;
                self.restore_spent(services, &account, plan_id).await
            }
            _ => Ok(()),
        }
    }

    /// Reads from the ledger the spending of an account with a daily limit, for every day that counts: the day in the zone of
    /// its present or next plan, and the days that began under earlier plans.
    async fn restore_spent(
        &self,
        services: &Services,
        account: &Account,
        plan_id: i64,
    ) -> Result<(), StoreError> {
        let Services { store, clock, .. } = services;
        let now = clock.now();
        let present = match self.catalog.snapshot().plan(plan_id) {
            Some(plan) => plan.spending_day(now),
            // A plan without prices at the moment still has its days.
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
