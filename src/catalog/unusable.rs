//! The reasons for which a tariff cannot be used.

use std::sync::Arc;

/// The reason for which a tariff, and with it the plans and trunks based on it, has no prices.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// The deck is in another currency than the wallets and no exchange rate is set.
    #[error(
        "tariff {tariff:?} is in {from} and no exchange rate from {from} to {to} is set: tollgate fx set {from} {to} RATE"
    )]
    MissingRate {
        /// The tariff.
        tariff: Arc<str>,
        /// The deck's currency.
        from: Arc<str>,
        /// The wallets' currency.
        to: Arc<str>,
    },
    /// Prices were converted into a currency that is not the wallets' any more.
    #[error(
        "tariff {tariff:?} is priced in {priced_in}, the wallets are in {wallets}: import its deck again"
    )]
    OtherCurrency {
        /// The tariff.
        tariff: Arc<str>,
        /// The currency of its prices.
        priced_in: Arc<str>,
        /// `money.currency`.
        wallets: Arc<str>,
    },
    /// The stored data does not form a tariff or plan.
    #[error("{what} cannot be used: {reason}")]
    Damaged {
        /// Which tariff or plan.
        what: Arc<str>,
        /// The reason.
        reason: Arc<str>,
    },
}
