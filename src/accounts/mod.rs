//! Accounts: resellers, clients and subaccounts, their place in the tree, their limits and their wallets in memory.
//!
//! [`ops`] changes them in the store; [`crate::directory`] holds them and their peers in memory for authorising.

pub mod balance;
pub mod callerids;
pub mod clients;
pub mod create;
pub mod credentials;
pub mod credit;
pub mod delays;
pub mod error;
pub mod hashing;
pub mod keys;
pub mod money;
pub mod ops;
pub mod password;
pub mod payments;
pub mod portal;
pub mod reference_text;
pub mod retail_credit;
pub mod sip_account;
pub mod spending;
pub mod subaccounts;
pub mod topups;
pub mod transfers;
pub mod vouchers;
