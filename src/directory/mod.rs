//! The accounts in memory, with their wallets and peers: all that authorising reads beside the catalogue.
//!
//! The store has the settings, the ledger the balances; the directory is a copy that the change feed keeps current. A wallet is
//! never replaced once it is in memory, because its holds live in it.

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
