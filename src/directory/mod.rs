//! The accounts in memory, with their wallets and peers: all data that authorising reads besides the catalogue.
//!
//! The store holds the settings, the ledger the balances; the directory is a copy that the change feed keeps current. A
//! wallet in memory is never replaced, because its holds exist only there.

mod account;
pub mod ip_proofs;
pub mod keys;
pub mod login;
pub mod phones;
mod tree;
pub mod wallet_watch;

pub use self::account::{Account, MAX_CHAIN, Settings};
pub use self::phones::Peer;
pub use self::tree::{Directory, wallet_balance};
