//! The price of a package.
//!
//! The upstream's price, in the wallets' currency at the rate in force, is the cost. What an account pays is the cost and
//! a markup, rounded up to four decimals, or a price that the operator has fixed. No package is sold below the
//! cost of its seller (the operator, or for a client its reseller), unless that was allowed for the package.
//!
//! | cost | markup | price |
//! |---|---|---|
//! | 0.62 USD at 0.9215 = 0.57133 | 10 % | 0.6285 (0.628463 rounded up) |
//! | the same | 30 % | 0.7428 (0.742729 rounded up) |

use std::sync::Arc;

use tollgate_rating::Money;
use tollgate_rating::plan::Markup;

use crate::catalog::fx::Rate;
use crate::config::Config;
use crate::directory::Account;
use crate::store::accounts::Kind;
use crate::store::esim::EsimPrice;

/// Nano-units of the last of four decimals.
const LAST_DECIMAL: i64 = 100_000;
/// Nano-units of the upstream's smallest amount, 1/10,000.
const NANOS_PER_E4: i64 = 100_000;

/// The reason for which a package is not sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsold {
    /// No exchange rate from its currency into the wallets' currency is set.
    #[error("there is no exchange rate for its currency (tollgate fx set)")]
    NoRate,
    /// The upstream does not list it any more.
    #[error("the upstream does not sell it any more")]
    Gone,
    /// Its price is below the cost of its seller.
    #[error("its price is below its cost, which was not allowed (tollgate esim price … --allow-loss)")]
    BelowCost,
    /// Its cost comes to nothing at this exchange rate, which must be a wrong one.
    #[error("its cost comes to nothing at the exchange rate in force")]
    Nothing,
    /// Its price is no amount.
    #[error("its price is too large")]
    TooLarge,
}

/// The prices of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The operator.
    pub cost: Money,
    /// A reseller.
    pub reseller: Result<Money, Unsold>,
    /// A client or a subaccount below a reseller, who pays too and must not lose.
    pub client: Result<Money, Unsold>,
    /// A client or a subaccount of the operator's own, of whom only its own price matters.
    pub direct: Result<Money, Unsold>,
}

/// The kind of a buyer, which decides its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buyer {
    /// A reseller.
    Reseller,
    /// Somebody below a reseller.
    Client,
    /// Somebody below the operator alone.
    Direct,
}

impl Buyer {
    /// The kind of an account.
    pub fn of(account: &Arc<Account>) -> Self {
        match account.kind {
            Kind::Reseller => Self::Reseller,
            Kind::Client | Kind::Subaccount if account.chain().len() > 1 => Self::Client,
            Kind::Client | Kind::Subaccount => Self::Direct,
        }
    }
}

impl Prices {
    /// The price for a buyer.
    pub fn of(&self, buyer: Buyer) -> Result<Money, Unsold> {
        match buyer {
            Buyer::Reseller => self.reseller,
            Buyer::Client => self.client,
            Buyer::Direct => self.direct,
        }
    }
}

/// The markups of `[esim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Markups {
    /// For resellers.
    pub reseller: Markup,
    /// For clients.
    pub client: Markup,
}

/// The upstream's price in its own currency.
pub fn upstream_amount(price_e4: i64) -> Option<Money> {
    price_e4.checked_mul(NANOS_PER_E4).map(Money::from_nanos)
}

/// Rounded up to four decimals.
fn rounded_up(amount: Money) -> Option<Money> {
    let nanos = amount.nanos();
    let over = nanos.rem_euclid(LAST_DECIMAL);
    let up = if over == 0 { 0 } else { LAST_DECIMAL - over };
    nanos.checked_add(up).map(Money::from_nanos)
}

/// The prices of a package that costs `price_e4` at the exchange rate `rate` (`None` if the currencies are the same).
pub fn prices(
    price_e4: i64,
    rate: Option<Rate>,
    markups: Markups,
    fixed: Option<&EsimPrice>,
) -> Result<Prices, Unsold> {
    let cost = upstream_amount(price_e4).ok_or(Unsold::TooLarge)?;
    let cost = match rate {
        Some(rate) => rate.convert(cost).ok_or(Unsold::TooLarge)?,
        None => cost,
    };
    let price = |fixed: Option<Money>, markup: Markup| match fixed {
        Some(fixed) => Ok(fixed),
        None => markup.apply(cost).and_then(rounded_up).ok_or(Unsold::TooLarge),
    };
    if cost == Money::ZERO {
        return Err(Unsold::Nothing);
    }
    let reseller = price(fixed.and_then(|fixed| fixed.reseller), markups.reseller)?;
    let client = price(fixed.and_then(|fixed| fixed.client), markups.client)?;
    let loss_is_allowed = fixed.is_some_and(|fixed| fixed.allow_loss);
    let guarded = |price: Money, floor: Money| {
        if price < floor && !loss_is_allowed { Err(Unsold::BelowCost) } else { Ok(price) }
    };
    let sold = guarded(reseller, cost);
    Ok(Prices {
        cost,
        reseller: sold,
        // A client's reseller pays the reseller's price, so it must be sold to it, and must not get less.
        client: sold.and_then(|reseller| guarded(client, reseller)),
        direct: guarded(client, cost),
    })
}

/// The configured markups.
pub fn markups(config: &Config) -> Markups {
    // Checked when the configuration was read.
    let none = || "0".parse().ok().map(|zero| (zero, zero));
    match config.esim.markups().ok().or_else(none) {
        Some((reseller, client)) => Markups { reseller, client },
        None => unreachable!("a markup of zero is valid"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn markups() -> Markups {
        Markups { reseller: "10".parse().unwrap(), client: "30".parse().unwrap() }
    }

    fn fixed(client: Option<&str>, reseller: Option<&str>, allow_loss: bool) -> EsimPrice {
        EsimPrice {
            package_code: "P2CYMUS93".to_owned(),
            client: client.map(money),
            reseller: reseller.map(money),
            allow_loss,
        }
    }

    #[test]
    fn the_documents_own_package_costs_what_the_table_says() {
        let rate = "0.9215".parse().ok();
        let prices = prices(6_200, rate, markups(), None).unwrap();
        assert_eq!(prices.cost, money("0.57133"));
        assert_eq!((prices.reseller, prices.client), (Ok(money("0.6285")), Ok(money("0.7428"))));
    }

    #[test]
    fn a_fixed_price_holds_until_the_cost_is_above_it() {
        let rule = fixed(Some("0.90"), Some("0.70"), false);
        let at = |price_e4| prices(price_e4, None, markups(), Some(&rule)).unwrap();
        assert_eq!((at(6_200).reseller, at(6_200).client), (Ok(money("0.70")), Ok(money("0.90"))));
        assert_eq!((at(7_000).reseller, at(7_000).client), (Ok(money("0.70")), Ok(money("0.90"))));
        let dearer = at(7_001);
        assert_eq!((dearer.reseller, dearer.client), (Err(Unsold::BelowCost), Err(Unsold::BelowCost)));
        // Without a reseller between there is none to lose.
        assert_eq!((dearer.direct, at(9_001).direct), (Ok(money("0.90")), Err(Unsold::BelowCost)));
        let allowed = fixed(Some("0.50"), None, true);
        let prices = prices(6_200, None, markups(), Some(&allowed)).unwrap();
        assert_eq!(prices.direct, Ok(money("0.50")));
        assert_eq!((prices.client, prices.reseller), (Ok(money("0.50")), Ok(money("0.682"))));
    }

    #[test]
    fn a_client_never_pays_less_than_its_reseller() {
        let rule = fixed(Some("0.65"), Some("0.70"), false);
        let prices = prices(6_200, None, markups(), Some(&rule)).unwrap();
        assert_eq!((prices.reseller, prices.client), (Ok(money("0.70")), Err(Unsold::BelowCost)));
        assert_eq!(prices.direct, Ok(money("0.65")));
    }

    proptest! {
        #[test]
        fn a_markup_never_loses_and_has_four_decimals(price_e4 in 1..10_000_000_i64, pico in 1_000_000_000_i64..5_000_000_000_000) {
            let rate = Rate::from_pico(pico);
            let prices = prices(price_e4, rate, markups(), None).unwrap();
            let (reseller, client) = (prices.reseller.unwrap(), prices.client.unwrap());
            prop_assert!(prices.cost <= reseller && reseller <= client && prices.direct == Ok(client));
            for price in [reseller, client] {
                prop_assert_eq!(price.nanos() % LAST_DECIMAL, 0);
            }
            // Rounding adds less than the last decimal.
            prop_assert!(rounded_up(prices.cost).unwrap().nanos() - prices.cost.nanos() < LAST_DECIMAL);
        }
    }
}
