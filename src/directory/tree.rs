//! The tree of accounts in memory.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tollgate_rating::Money;
use tollgate_rating::credit::{Guarded, Limits, Wallet};

use super::account::{Account, Settings};
use super::keys::Keys;
use super::phones::{Passwords, Peer, Phones};
use super::wallet_watch::WalletWatch;
use crate::sip::changes::Changes;
use crate::store::accounts::{AccountRecord, Kind};
use crate::store::balances::Balance;
use crate::store::{Store, StoreError};

/// All accounts and their peers.
#[derive(Debug)]
pub struct Directory {
    accounts: DashMap<i64, Arc<Account>>,
    logins: DashMap<Box<str>, i64>,
    /// Ids of the accounts directly below each account, so that a change visits only the accounts it concerns.
    below: DashMap<i64, Vec<i64>>,
    phones: Phones,
    keys: Keys,
    wallet_watch: WalletWatch,
    reloading: tokio::sync::Mutex<()>,
}

impl Directory {
    /// Loads all accounts, balances and peers.
    pub async fn load(store: &Store, currency: &str, passwords: Passwords) -> Result<Self, StoreError> {
        let directory = Self {
            accounts: DashMap::new(),
            logins: DashMap::new(),
            below: DashMap::new(),
            phones: Phones::new(passwords),
            keys: Keys::default(),
            wallet_watch: WalletWatch::default(),
            reloading: tokio::sync::Mutex::default(),
        };
        let balances = store.balances().await?;
        let balances: HashMap<i64, Balance> = balances
            .into_iter()
            .filter(|balance| balance.currency == currency)
            .map(|balance| (balance.account_id, balance))
            .collect();
        let mut after = 0;
        loop {
            let page = store.accounts_after(after).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for record in &page {
                // Parents are created before their children, so they have lower ids and are loaded already.
                let balance = balances.get(&record.id).map_or(Ok(Money::ZERO), wallet_balance)?;
                directory.put(record, balance)?;
            }
        }
        for (id, held) in store.held_sums().await? {
            let restored = directory.account(id).and_then(|account| account.wallet.restore_hold(held));
            restored.ok_or_else(|| StoreError::Inconsistent {
                table: "held_credit",
                reason: format!("what is held of account {id} cannot be"),
            })?;
        }
        let mut after = String::new();
        loop {
            let page = store.peers_after(&after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.name);
            for peer in &page {
                if let Some(account) = directory.account(peer.account_id) {
                    directory.phones.put(&account, peer);
                }
            }
        }
        directory.phones.follow_all();
        let mut after = 0;
        loop {
            let page = store.keys_after(after).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for key in &page {
                directory.keys.put(key);
            }
        }
        let mut after = 0;
        loop {
            let page = store.subaccounts_after(after).await?;
            let Some(last) = page.last() else { break };
            after = last.account_id;
            for subaccount in &page {
                directory.wallet_watch.put(subaccount);
            }
        }
        Ok(directory)
    }

    /// Reloads one account, new or changed.
    pub async fn reload(&self, store: &Store, currency: &str, id: i64) -> Result<(), StoreError> {
        // Reloads are serialised: an older reading must not replace a newer one.
        let _turn = self.reloading.lock().await;
        let Some(record) = store.account_by_id(id).await? else { return Ok(()) };
        if record.kind == Kind::Subaccount
            && let Some(subaccount) = store.subaccount(id).await?
        {
            self.wallet_watch.put(&subaccount);
        }
        let moved = self.account(id).is_some_and(|account| account.settings().plan_id != record.plan_id);
        let followers =
            if moved && record.kind == Kind::Client { self.subaccounts_of(id) } else { Vec::new() };
        let balance = match self.account(id) {
            Some(_) => Money::ZERO,
            None => wallet_balance(&store.balance(id, currency).await?)?,
        };
        let peers = store.peers_of(id).await?;
        let mut keys = store.keys_of(id).await?;
        keys.retain(|key| key.revoked_at.is_none());
        // Enabling or disabling an account does the same to every account below it.
        let switched = self.account(id).is_some_and(|account| account.settings().active != record.active);
        let concerned = if switched { self.within(id) } else { vec![id] };
        let before = self.phones.states(&concerned);
        self.put(&record, balance)?;
        if let Some(account) = self.account(id) {
            self.phones.replace(&account, &peers);
        }
        self.keys.replace(id, &keys);
        self.phones.publish_since(&before, &concerned);
        // Subaccounts have the plan of their client.
        for follower in followers {
            if let Some(record) = store.account_by_id(follower.id).await? {
                self.put(&record, Money::ZERO)?;
            }
        }
        Ok(())
    }

    /// Returns an account by its id.
    pub fn account(&self, id: i64) -> Option<Arc<Account>> {
        self.accounts.get(&id).map(|account| Arc::clone(&account))
    }

    /// Returns an account by its login.
    pub fn account_named(&self, login: &str) -> Option<Arc<Account>> {
        let id = *self.logins.get(login)?;
        self.account(id)
    }

    /// Returns the valid API keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the watch over subaccounts' balances for top-ups.
    pub fn wallet_watch(&self) -> &WalletWatch {
        &self.wallet_watch
    }

    /// Returns a peer by its name.
    pub fn peer(&self, name: &str) -> Option<Peer> {
        self.phones.get(name)
    }

    /// Returns the peers, for Asterisk's reads and for notifications to it.
    pub fn phones(&self) -> &Phones {
        &self.phones
    }

    /// Returns the channel for publishing changes of peers.
    pub fn changes(&self) -> &Arc<Changes> {
        self.phones.changes()
    }

    /// Returns every account.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.accounts.iter().map(|account| Arc::clone(&account)).collect()
    }

    /// Returns the ids of an account and of every account below it.
    fn within(&self, id: i64) -> Vec<i64> {
        let mut found = vec![id];
        let mut looked_at = 0;
        while let Some(id) = found.get(looked_at).copied() {
            looked_at += 1;
            if let Some(below) = self.below.get(&id) {
                found.extend_from_slice(&below);
            }
        }
        found
    }

    fn subaccounts_of(&self, client_id: i64) -> Vec<Arc<Account>> {
        let below = self.below.get(&client_id).map(|below| below.clone()).unwrap_or_default();
        let accounts = below.into_iter().filter_map(|id| self.account(id));
        accounts.filter(|account| account.kind == Kind::Subaccount).collect()
    }

    /// Returns the number of accounts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Reports whether there are no accounts.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    fn put(&self, record: &AccountRecord, balance: Money) -> Result<(), StoreError> {
        let limits = Limits {
            concurrent_calls: record.limits.max_calls,
            calls_per_second: record.limits.calls_per_second,
            daily_spend: record.limits.daily_spend,
        };
        if let Some(account) = self.account(record.id) {
            account.settings.store(Arc::new(Settings::of(record)));
            set_up(&account.wallet, record, limits);
            return Ok(());
        }
        let parent = match record.parent_id {
            None => None,
            Some(id) => Some(self.account(id).ok_or_else(|| StoreError::Inconsistent {
                table: "accounts",
                reason: format!("account {} has an unknown parent {id}", record.id),
            })?),
        };
        let wallet = Wallet::new(balance);
        set_up(&wallet, record, limits);
        let account = Account {
            id: record.id,
            login: record.login.clone(),
            kind: record.kind,
            wallet,
            parent,
            settings: ArcSwap::from_pointee(Settings::of(record)),
        };
        // If two tasks load a new account at once, the first one's wallet is kept.
        let mut is_new = false;
        self.accounts.entry(record.id).or_insert_with(|| {
            is_new = true;
            Arc::new(account)
        });
        if let (true, Some(parent_id)) = (is_new, record.parent_id) {
            self.below.entry(parent_id).or_default().push(record.id);
        }
        self.logins.insert(record.login.as_str().into(), record.id);
        Ok(())
    }
}

/// Converts a balance to a wallet's amount. A balance out of range is an error, not zero.
pub fn wallet_balance(balance: &Balance) -> Result<Money, StoreError> {
    balance.money().ok_or_else(|| StoreError::Inconsistent {
        table: "entries",
        reason: format!("the balance of account {} is beyond what a wallet can hold", balance.account_id),
    })
}

/// Sets a wallet's limits. A credit limit below the present holds is the operator's decision: it only refuses new
/// calls.
fn set_up(wallet: &Wallet, record: &AccountRecord, limits: Limits) {
    if let Err(error) = wallet.set_credit_limit(record.credit_limit, Guarded::No) {
        tracing::error!(account.login = %record.login, %error, "the credit limit was not set");
    }
    wallet.set_limits(limits);
}
