//! Errors of operations on accounts.

use tollgate_rating::Money;
use tollgate_rating::credit::AdjustError;

use super::hashing::HashError;
use crate::directory::MAX_CHAIN;
use crate::directory::login::LoginError;
use crate::ledger::LedgerError;
use crate::services::ServiceError;
use crate::store::StoreError;

/// Reason why an operation on an account was refused.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// No account has this login.
    #[error("there is no account {0}")]
    UnknownAccount(String),
    /// No plan has this name.
    #[error("there is no plan {0}")]
    UnknownPlan(String),
    /// The account named as reseller is of another kind.
    #[error("{0} is not a reseller")]
    NotAReseller(String),
    /// The chain of resellers is too long.
    #[error("{0} has {MAX_CHAIN} payers above its clients already: no further level fits")]
    TooDeep(String),
    /// The name is in use as a login, or as the name of a peer or trunk.
    #[error("the name {0} is taken")]
    NameTaken(String),
    /// The login is malformed.
    #[error("login {login}: {source}")]
    BadLogin {
        /// The login as received.
        login: String,
        /// The reason.
        source: LoginError,
    },
    /// The reseller has the maximum number of clients.
    #[error("the reseller has {most} clients: no more are created")]
    TooManyClients {
        /// Maximum number of clients.
        most: u32,
    },
    /// No random login was free.
    #[error("no free login was found")]
    NoFreeLogin,
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An option's value is refused.
    #[error("{field}: {reason}")]
    BadValue {
        /// The option.
        field: &'static str,
        /// The reason.
        reason: String,
    },
    /// The available credit does not cover the debit.
    #[error("{login} has {available} available, less than what is taken")]
    NotEnough {
        /// The account.
        login: String,
        /// Its available credit.
        available: Money,
    },
    /// The key was used before for another credit.
    #[error("the key {0} named a credit of another login or amount before")]
    KeyTaken(String),
    /// The ledger refused the posting or failed.
    #[error("the ledger refused: {0}")]
    Post(#[from] LedgerError),
    /// The wallet in memory cannot hold the result.
    #[error("the wallet cannot take it: {0}")]
    Wallet(AdjustError),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
    /// The service could not be opened for writing.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl OpsError {
    /// Returns the machine code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownAccount(_) => "unknown_account",
            Self::UnknownPlan(_) => "unknown_plan",
            Self::NotAReseller(_) => "not_a_reseller",
            Self::TooDeep(_) => "too_deep",
            Self::NameTaken(_) => "name_taken",
            Self::BadLogin { .. } => "bad_login",
            Self::TooManyClients { .. } => "too_many_clients",
            Self::NoFreeLogin => "no_free_login",
            Self::BadValue { .. } => "bad_argument",
            Self::NotEnough { .. } => "no_credit",
            Self::KeyTaken(_) => "key_taken",
            Self::Services(error @ ServiceError::Starting) => error.code(),
            Self::Hash(_) | Self::Post(_) | Self::Wallet(_) | Self::Store(_) | Self::Services(_) => {
                "unavailable"
            }
        }
    }
}
