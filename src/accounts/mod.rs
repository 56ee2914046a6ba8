//! Accounts, their place in the tree, their limits and wallets in memory.
