//! The services shared by every operation, in the running server and in a command that finds no server.
//!
//! [`Services`] opens the database and the key file. The ownership of the wallets, the ledger's writer, and the
//! accounts and the catalogue in memory ([`Memory`]) follow on first use: a command acquires the ownership only if it
//! writes money.

mod error;
pub mod in_doubt;
mod installation;
pub mod lease;
mod memory;
mod owner_link;
pub mod ownership;
mod shared;
mod sip_passwords;
mod spool_dir;
mod takeover;

pub use self::error::ServiceError;
pub use self::memory::Memory;
pub use self::shared::Services;

/// Kind of account changes in the change feed.
pub const FEED_ACCOUNT: &str = "account";
