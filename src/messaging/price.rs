//! The price of a message for each payer.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::{E164, Money, NoRate, Prefix};

use crate::catalog::{Snapshot, Unusable};
use crate::directory::Account;

/// The price of a message for one payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerPrice {
    /// The payer.
    pub account_id: i64,
    /// The versions of its plan, the base's first: with the tariff's version they determine the price.
    pub plan_version_ids: Vec<i64>,
    /// The version of the tariff for messages.
    pub tariff_version_id: i64,
    /// The prefix that the number begins with.
    pub prefix: Prefix,
    /// Its name.
    pub destination: Arc<str>,
    /// The price of a segment.
    pub price_per_segment: Money,
    /// Segments × price, rounded once as the plan rounds.
    pub charge: Money,
}

/// Why a message has no price: it is refused, it is never free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{login}: {reason}")]
pub struct NoPrice {
    /// Its place in the payer chain: 0 is the sender, which must not learn about those above it.
    pub place: usize,
    /// Login of the account without a price.
    pub login: String,
    /// Why.
    pub reason: NoPriceReason,
}

/// The reason for which a payer has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPriceReason {
    /// The account may not reach numbers with this prefix, or the deck bars them.
    #[error("messages to the number are blocked")]
    Blocked,
    /// Neither its plan nor one below has a tariff for messages.
    #[error("its plan sells no messages")]
    NotSold,
    /// The plan, or its tariff for messages, prices nothing at the moment.
    #[error("its plan has no prices: {0}")]
    Unusable(Unusable),
    /// The deck has no price for the number.
    #[error(transparent)]
    NoRate(#[from] NoRate),
    /// The charge is no amount.
    #[error("the charge is larger than any amount")]
    TooLarge,
}

impl NoPriceReason {
    /// The machine code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::NotSold | Self::Unusable(_) => "no_prices",
            Self::NoRate(_) => "no_rate",
            Self::TooLarge => "too_large",
        }
    }
}

/// Prices a message for every payer in the chain of [`Account::chain`], the sender first.
///
/// The prefixes that an account may not call it may not write to either; a subaccount has its client's bounds too. The
/// ceiling `max_price` is a price of a minute and does not apply to messages.
pub fn price(
    snapshot: &Snapshot,
    chain: &[Arc<Account>],
    number: E164,
    segments: u16,
    at: Timestamp,
) -> Result<Vec<PayerPrice>, NoPrice> {
    let refused =
        |place: usize, account: &Account, reason| NoPrice { place, login: account.login.clone(), reason };
    for (place, account) in chain.iter().enumerate() {
        let blocks = |account: &Arc<Account>| account.settings().blocks(number);
        if blocks(account) || account.client_above().is_some_and(blocks) {
            return Err(refused(place, account, NoPriceReason::Blocked));
        }
    }
    let prices = chain.iter().enumerate().map(|(place, account)| {
        price_of(snapshot, account, number, segments, at).map_err(|reason| refused(place, account, reason))
    });
    prices.collect()
}

fn price_of(
    snapshot: &Snapshot,
    account: &Account,
    number: E164,
    segments: u16,
    at: Timestamp,
) -> Result<PayerPrice, NoPriceReason> {
    let plan_id = account.settings().plan_id;
    let Some(plan) = snapshot.plan(plan_id) else {
        return Err(match snapshot.broken_plan(plan_id) {
            Some(unusable) => NoPriceReason::Unusable(unusable.clone()),
            None => NoPriceReason::NotSold,
        });
    };
    let messages = plan.messages.as_ref().ok_or(NoPriceReason::NotSold)?;
    let messages = messages.as_ref().map_err(|unusable| NoPriceReason::Unusable(unusable.clone()))?;
    let rate = messages.priced.segment_rate(number, at)?;
    if rate.is_blocked() {
        return Err(NoPriceReason::Blocked);
    }
    Ok(PayerPrice {
        account_id: account.id,
        plan_version_ids: plan.plan_version_ids.clone(),
        tariff_version_id: messages.tariff_version_id,
        prefix: rate.prefix(),
        destination: Arc::clone(rate.destination()),
        price_per_segment: rate.price(),
        charge: rate.charge(segments).ok_or(NoPriceReason::TooLarge)?,
    })
}

/// Number of segments of a price that a credit pays; `i64::MAX` if they are free.
pub fn affordable_segments(credit: Money, price: Money) -> i64 {
    if credit.is_negative() { 0 } else { credit.nanos().checked_div(price.nanos()).unwrap_or(i64::MAX) }
}
