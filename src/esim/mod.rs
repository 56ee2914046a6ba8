//! Data packages for travellers, bought upstream and sold from the same wallets as calls.
