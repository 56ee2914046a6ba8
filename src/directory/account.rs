//! An account in memory.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_rating::credit::{BlockedPrefixes, PriceCeiling, Wallet};
use tollgate_rating::number::DialRules;
use tollgate_rating::{E164, Money, Prefix};

use crate::store::accounts::{AccountLimits, AccountRecord, Kind};

/// Payers a call can have: the client and three resellers above it.
pub const MAX_CHAIN: usize = 4;

/// What can change of an account.
#[derive(Debug)]
pub struct Settings {
    /// The plan it pays by.
    pub plan_id: i64,
    /// Whether it may call.
    pub active: bool,
    /// Its limits beside money.
    pub limits: AccountLimits,
    /// The prefixes of `limits`, ready for lookup; none for most.
    blocked: Option<BlockedPrefixes>,
    /// Its longest call.
    pub max_call_seconds: Option<u32>,
    /// The caller number its calls present.
    pub callerid: Option<String>,
    /// How its phones write numbers.
    pub dial_rules: DialRules,
    /// Whether its calls may be routed at a loss.
    pub allow_loss: bool,
}

impl Settings {
    pub(super) fn of(record: &AccountRecord) -> Self {
        let blocked: Result<Vec<Prefix>, _> =
            record.limits.blocked_prefixes.iter().map(|text| text.parse()).collect();
        let dial_rules = record.dial_rules.as_deref().map(str::parse).transpose();
        // What guards against fraud fails closed.
        let readable = blocked.is_ok() && dial_rules.is_ok();
        if !readable {
            tracing::error!(account.login = %record.login, "blocked prefixes or dial rules cannot be read: no calls");
        }
        let blocked = blocked.unwrap_or_default();
        Self {
            plan_id: record.plan_id,
            active: record.active && readable,
            blocked: (!blocked.is_empty()).then(|| BlockedPrefixes::new(blocked).ok()).flatten(),
            max_call_seconds: record.limits.max_call_seconds,
            limits: record.limits.clone(),
            callerid: record.callerid.clone(),
            dial_rules: dial_rules.ok().flatten().unwrap_or_default(),
            allow_loss: record.allow_loss,
        }
    }

    /// Whether a price a minute is above the account's ceiling.
    pub fn is_too_dear(&self, price_per_minute: Money) -> bool {
        self.limits.max_price.is_some_and(|ceiling| !PriceCeiling(ceiling).allows(price_per_minute))
    }

    /// Whether the account may not call a number.
    pub fn blocks(&self, number: E164) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| blocked.blocking(number).is_some())
    }
}

/// An account in memory.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: i64,
    /// Its login.
    pub login: String,
    /// What it is.
    pub kind: Kind,
    /// Its money.
    pub wallet: Wallet,
    pub(super) parent: Option<Arc<Account>>,
    pub(super) settings: ArcSwap<Settings>,
}

impl Account {
    /// What can change of it, as it is now.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Who pays for its calls: itself, then each reseller above it. A subaccount pays in its client's place: what it
    /// spends has been taken from the client before.
    pub fn chain(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut chain = Vec::with_capacity(MAX_CHAIN);
        let mut next = Some(self);
        while let Some(account) = next {
            if account.kind == Kind::Reseller || chain.is_empty() {
                chain.push(Arc::clone(account));
            }
            next = account.parent.as_ref();
        }
        debug_assert!(chain.len() <= MAX_CHAIN, "operations keep chains within {MAX_CHAIN}");
        chain
    }

    /// The account above it: of a client its reseller, of a subaccount its client.
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Of a subaccount its client, whose bounds beside money are its own too: who may not call a number or pay a price
    /// may not by a subaccount either.
    pub fn client_above(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref().filter(|_| self.kind == Kind::Subaccount)
    }

    /// Whether it may call: it and every account above it is switched on.
    pub fn may_call(&self) -> bool {
        let mut next = Some(self);
        while let Some(account) = next {
            if !account.settings().active {
                return false;
            }
            next = account.parent.as_deref();
        }
        true
    }
}
