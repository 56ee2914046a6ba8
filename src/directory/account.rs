//! An account in memory.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_rating::credit::{BlockedPrefixes, PriceCeiling, Wallet};
use tollgate_rating::number::DialRules;
use tollgate_rating::{E164, Money, Prefix};

use crate::store::accounts::{AccountLimits, AccountRecord, Kind};

/// Maximum payers of a call: the client and three resellers above it.
pub const MAX_CHAIN: usize = 4;

/// Changeable settings of an account.
#[derive(Debug)]
pub struct Settings {
    /// Id of the plan that prices its calls.
    pub plan_id: i64,
    /// True while the account itself is enabled.
    pub active: bool,
    /// Limits other than money.
    pub limits: AccountLimits,
    /// The blocked prefixes of `limits`, compiled for lookup; `None` for most accounts.
    blocked: Option<BlockedPrefixes>,
    /// Maximum length of a call, in seconds.
    pub max_call_seconds: Option<u32>,
    /// Caller number that its calls present.
    pub callerid: Option<String>,
    /// Dial rules: how its phones write numbers.
    pub dial_rules: DialRules,
    /// True if its calls may be routed at a loss.
    pub allow_loss: bool,
}

impl Settings {
    pub(super) fn of(record: &AccountRecord) -> Self {
        let blocked: Result<Vec<Prefix>, _> =
            record.limits.blocked_prefixes.iter().map(|text| text.parse()).collect();
        let dial_rules = record.dial_rules.as_deref().map(str::parse).transpose();
        // Fraud protection fails closed.
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

    /// Reports whether a price per minute is above the account's ceiling.
    pub fn is_too_dear(&self, price_per_minute: Money) -> bool {
        self.limits.max_price.is_some_and(|ceiling| !PriceCeiling(ceiling).allows(price_per_minute))
    }

    /// Reports whether a number is blocked for the account.
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
    /// Kind of the account.
    pub kind: Kind,
    /// Its wallet.
    pub wallet: Wallet,
    pub(super) parent: Option<Arc<Account>>,
    pub(super) settings: ArcSwap<Settings>,
}

impl Account {
    /// Returns the current settings.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Returns the payers of its calls: the account itself, then each reseller above it. A subaccount pays in its
    /// client's place: its client was debited before, when the money moved to the subaccount.
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

    /// Returns the account above it: the reseller of a client, the client of a subaccount.
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Returns the client of a subaccount. The client's limits other than money also bind the subaccount: a number or
    /// price that the client may not call is refused for its subaccounts too.
    pub fn client_above(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref().filter(|_| self.kind == Kind::Subaccount)
    }

    /// Reports whether the account may call: it and every account above it are enabled.
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
