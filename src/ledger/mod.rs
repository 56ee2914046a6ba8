//! Accounts' money: entries, group commit, audit.
