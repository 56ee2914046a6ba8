//! Credit control: wallets, chains of payers, holds and limits.
//!
//! Every call has a chain of payers: the client, its reseller, and so on up, at most four. A call is admitted when
//! every one of them can pay its own first block; then each holds what the call may cost it, or none does. When the
//! call ends the holds are replaced by the charges, on the whole chain at once.
//!
//! - `available` = balance + credit limit − held. No hold makes it negative, at any level, whatever runs at the same
//!   time: a chain's wallets are locked together, the client's first, and nothing changes before all is checked.
//! - A settlement is a fact and is never refused for lack of money; where it makes `available` negative that is
//!   counted in the wallet ([`Snapshot::overdraws`]).
//! - Wallets keep no time: the caller passes monotonic milliseconds and spending days.
//!
//! ```
//! use tollgate_rating::{Money, credit::{Chain, Day, Pricing, ReserveRequest, Slice, Wallet}};
//!
//! /// Every begun minute costs the same.
//! struct PerMinute(i64);
//! impl Pricing for PerMinute {
//!     fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
//!         let minutes = credit.nanos().max(0) / self.0;
//!         u32::try_from(minutes * 60).unwrap_or(u32::MAX).min(cap)
//!     }
//!     fn hold(&self, seconds: u32) -> Option<Money> {
//!         self.0.checked_mul(seconds.div_ceil(60).into()).map(Money::from_nanos)
//!     }
//! }
//!
//! let (client, reseller) = (Wallet::new(Money::from_nanos(700)), Wallet::new(Money::from_nanos(5_000)));
//! let chain = Chain::new(&[&client, &reseller]).unwrap();
//! let request = ReserveRequest { caps_seconds: 3_600, slice: Slice::Full, now_ms: 0, days: [Day::numbered(20_000); 4] };
//! let prices = [PerMinute(100), PerMinute(80)];
//! let grant = chain.reserve(&prices, &request).unwrap();
//! assert_eq!(grant.funded_seconds, 420);
//! assert_eq!(client.snapshot().available, Money::ZERO);
//! // It took two minutes and a second.
//! let charges = [300, 240].map(Money::from_nanos);
//! chain.settle(grant.holds, &charges, &request.days).unwrap();
//! assert_eq!(client.snapshot().available.nanos(), 400);
//! assert_eq!(reseller.snapshot().held, Money::ZERO);
//! ```

mod chain;
mod guard;
mod limits;
mod purchases;
mod spending;
mod wallet;

pub use self::{
    chain::{
        Chain, ChainError, ExtendRequest, Extended, Grant, Holds, MAX_PAYERS, Pricing, Refusal,
        RefusalReason, ReserveRequest, SettleError, Settled, Slice, Unsettled,
    },
    guard::{BlockedPrefixes, Loss, LossGuard, PriceCeiling},
    limits::{Limits, MAX_CALLS_PER_SECOND},
    spending::Day,
    wallet::{AdjustError, Guarded, Snapshot, Wallet},
};
