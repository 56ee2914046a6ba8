//! The Tollgate service: what ties calls, money, peers and people together.

pub mod catalog;
pub mod ledger;
pub mod store;
