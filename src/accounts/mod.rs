//! Accounts: resellers, clients and subaccounts, their place in the tree, their limits and their wallets in memory.
//!
//! [`ops`] changes them in the store; [`directory`] holds them in memory for authorising,
//! [`phones`] their peers.

pub mod callerids;
pub mod clients;
pub mod credentials;
pub mod credit;
pub mod delays;
pub mod directory;
pub mod hashing;
pub mod keys;
pub mod login;
pub mod money;
pub mod ops;
pub mod password;
pub mod payments;
pub mod phones;
pub mod portal;
pub mod purses;
pub mod reference_text;
pub mod retail_credit;
pub mod spending;
pub mod subaccounts;
pub mod topups;
pub mod transfers;
pub mod vouchers;

use jiff::Timestamp;
use serde::Serialize;
use tollgate_rating::Money;

/// Payers a call can have: the client and three resellers above it.
pub const MAX_CHAIN: usize = 4;

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sells to clients; pays wholesale.
    Reseller,
    /// Has phones; pays retail.
    Client,
    /// A client's account with a purse of its own.
    Subaccount,
}

impl Kind {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reseller => "reseller",
            Self::Client => "client",
            Self::Subaccount => "subaccount",
        }
    }

    /// Reads what [`Kind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reseller, Self::Client, Self::Subaccount].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An account as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its id, from 100.
    pub id: i64,
    /// Its login, one namespace with peers' names.
    pub login: String,
    /// What it is.
    pub kind: Kind,
    /// The account above it.
    pub parent_id: Option<i64>,
    /// The plan it pays by.
    pub plan_id: i64,
    /// Whether it may call.
    pub active: bool,
    /// How far below zero its balance may go.
    pub credit_limit: Money,
    /// Its limits beside money.
    pub limits: AccountLimits,
    /// The caller number its calls present, in place of the phone's.
    pub callerid: Option<String>,
    /// How its phones write numbers, as given (`00=>,0=>49`).
    pub dial_rules: Option<String>,
    /// Whether its calls may be routed at a loss.
    pub allow_loss: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Limits beside money; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Calls at once, its clients' included.
    pub max_calls: Option<u32>,
    /// Calls a second.
    pub calls_per_second: Option<u32>,
    /// Spend a day, in the plan's zone.
    pub daily_spend: Option<Money>,
    /// The dearest price a minute it may call.
    pub max_price: Option<Money>,
    /// Its longest call, in seconds.
    pub max_call_seconds: Option<u32>,
    /// Prefixes it may not call, digits.
    pub blocked_prefixes: Vec<String>,
}
