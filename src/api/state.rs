//! The state that all requests share.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::attempts::Attempts;
use super::changes::Budgets;
use super::costly::CostlyQueue;
use super::idempotency::KeyLocks;
use super::limits::Limits;
use super::subaccounts::nonces::Nonces;
use crate::accounts::delays::Delays;
use crate::calls::Calls;
use crate::directory::Account;
use crate::directory::keys as key_digests;
use crate::directory::keys::KeyHolder;
use crate::esim::Esim;
use crate::messaging::Messaging;
use crate::services::Services;

/// The state of the public APIs.
pub struct Api {
    /// The shared services.
    pub services: Arc<Services>,
    /// The sale of eSIMs.
    pub esim: Arc<Esim>,
    /// The calls, with accounts, peers and prices in memory.
    pub calls: Arc<Calls>,
    /// The messages.
    pub messaging: Arc<Messaging>,
    /// Request budgets of keys and addresses.
    pub(super) limits: Limits,
    /// Budgets of changes that an account makes without paying.
    pub(super) budgets: Budgets,
    /// Locks of the requests with an `Idempotency-Key`.
    pub(super) key_locks: KeyLocks,
    /// Delays after wrong passwords that portals pass on.
    pub(super) delays: Delays,
    /// Wrong guesses of codes, passwords, logins and addresses.
    pub(super) attempts: Attempts,
    /// The queue of costly requests.
    pub(super) costly: Arc<CostlyQueue>,
    /// Nonces of signed requests.
    pub(super) nonces: Nonces,
    /// The listener's address once it is bound: links in answers use it where no public URL is configured.
    address: OnceLock<SocketAddr>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// The APIs of a running service.
    pub fn new(
        services: Arc<Services>,
        calls: Arc<Calls>,
        messaging: Arc<Messaging>,
        esim: Arc<Esim>,
    ) -> Arc<Self> {
        let limits = Limits::new(&services.config.http);
        let budgets = Budgets::new(&services.config.limits);
        Arc::new(Self {
            services,
            esim,
            calls,
            messaging,
            limits,
            budgets,
            key_locks: KeyLocks::default(),
            delays: Delays::default(),
            attempts: Attempts::default(),
            costly: Arc::default(),
            nonces: Nonces::default(),
            address: OnceLock::new(),
        })
    }

    /// Notes the listener's address.
    pub(super) fn set_address(&self, address: SocketAddr) {
        // Only the listener sets it, once.
        let _ = self.address.set(address);
    }

    /// The listener's address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.get().copied().unwrap_or(self.services.config.http.listen)
    }

    /// Removes the counters of keys, addresses and accounts that have been idle.
    pub(super) fn forget_idle(&self) {
        self.limits.forget_idle();
        self.budgets.forget_idle();
        self.delays.forget_idle(self.services.clock.monotonic_ms());
    }

    /// The holder of an API key, with its account.
    pub(super) fn holder(&self, key: &str) -> Option<(KeyHolder, Arc<Account>)> {
        let holder = self.calls.directory.keys().holder(&key_digests::digest(key))?;
        let account = self.calls.directory.account(holder.account_id)?;
        Some((holder, account))
    }
}
