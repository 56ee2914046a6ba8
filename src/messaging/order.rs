//! What somebody wants sent: checked, priced, and set aside for before anybody is asked to send it.

use std::sync::Arc;

use serde::Serialize;
use tollgate_rating::{E164, Money};

use super::connector::Encoding;
use super::error::OrderError;
use super::price::{self, PayerPrice};
use super::providers::Provider;
use super::segments::{self, Counted};
use super::service::Messaging;
use crate::accounts::spending::Share;
use crate::directory::Account;
use crate::secrets::random_bytes;
use crate::store::messages::Payers;

/// The fewest and the most digits of a number that is written to.
const NUMBER_DIGITS: std::ops::RangeInclusive<u8> = 7..=15;
/// The most characters of a sender that is a text: what networks show (3GPP TS 23.040, 11 septets-packed characters).
const MAX_SENDER_CHARS: usize = 11;

/// What somebody wants sent, as it was written.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who sends it and pays.
    pub account: Arc<Account>,
    /// Which provider is to send it; the default one where none.
    pub provider: Option<String>,
    /// What it should show as its sender.
    pub sender_id: Option<String>,
    /// The text.
    pub text: String,
}

/// What is right about an order whoever it goes to.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who sends it and pays.
    pub account: Arc<Account>,
    /// Who pays: the account and the resellers above it.
    pub chain: Vec<Arc<Account>>,
    /// Which provider sends it.
    pub provider: Provider,
    /// What it should show as its sender.
    pub sender_id: Option<String>,
    /// The text.
    pub text: String,
    /// Its alphabet and segments.
    pub counted: Counted,
}

/// What one message costs whom, and by which rates.
#[derive(Clone, Debug)]
pub struct Priced {
    /// Who pays what, in the chain's order.
    pub payers: Payers,
    /// The rates: JSON.
    pub prices: String,
}

impl Priced {
    /// What whoever sends it pays.
    pub fn retail(&self) -> Money {
        self.payers.first().map_or(Money::ZERO, |(_, charge)| *charge)
    }
}

/// How a rate is kept with a message.
#[derive(Serialize)]
struct KeptPrice<'a> {
    account_id: i64,
    plan_version_ids: &'a [i64],
    tariff_version_id: i64,
    prefix: String,
    destination: &'a str,
    price_per_segment: Money,
    charge: Money,
}

impl Messaging {
    /// Checks an order.
    pub fn draft(&self, order: Order) -> Result<Draft, OrderError> {
        let provider = match &order.provider {
            Some(name) => self.providers.get(name).ok_or(OrderError::UnknownProvider)?,
            None => self.providers.default_provider().ok_or(OrderError::NoProviders)?,
        };
        let counted = segments::count(&order.text)?;
        if let Some(sender) = &order.sender_id {
            check_sender(sender)?;
        }
        Ok(Draft {
            chain: order.account.chain(),
            account: order.account,
            provider: provider.clone(),
            sender_id: order.sender_id,
            text: order.text,
            counted,
        })
    }

    /// Prices a draft to a number.
    pub fn price(&self, draft: &Draft, number: E164) -> Result<Priced, OrderError> {
        let snapshot = self.calls.catalog.snapshot();
        let now = self.services.clock.now();
        let prices = price::price(&snapshot, &draft.chain, number, draft.counted.segments, now)?;
        Ok(Priced {
            payers: prices.iter().map(|payer| (payer.account_id, payer.charge)).collect(),
            prices: kept(&prices),
        })
    }

    /// The shares of payers, with their accounts.
    pub async fn shares(&self, payers: &[(i64, Money)]) -> Result<Vec<Share>, crate::store::StoreError> {
        let mut shares = Vec::with_capacity(payers.len());
        for (id, amount) in payers {
            if self.calls.directory.account(*id).is_none() {
                self.services.reload_account(*id).await?;
            }
            let account = self.calls.directory.account(*id);
            let account = account.ok_or_else(|| crate::store::StoreError::Inconsistent {
                table: "sms_messages",
                reason: format!("payer {id} is no account"),
            })?;
            shares.push(Share { account, amount: *amount });
        }
        Ok(shares)
    }
}

fn kept(prices: &[PayerPrice]) -> String {
    let all: Vec<KeptPrice<'_>> = prices
        .iter()
        .map(|payer| KeptPrice {
            account_id: payer.account_id,
            plan_version_ids: &payer.plan_version_ids,
            tariff_version_id: payer.tariff_version_id,
            prefix: payer.prefix.to_string(),
            destination: &payer.destination,
            price_per_segment: payer.price_per_segment,
            charge: payer.charge,
        })
        .collect();
    // It is made of numbers and texts: nothing of it cannot be written.
    serde_json::to_string(&all).unwrap_or_default()
}

/// The number that a message goes to: international digits, with or without `+`.
pub fn number(phone: &str) -> Result<E164, OrderError> {
    let digits = phone.strip_prefix('+').unwrap_or(phone);
    let number: E164 = digits.parse().map_err(|_| OrderError::Number)?;
    if NUMBER_DIGITS.contains(&number.digits()) { Ok(number) } else { Err(OrderError::Number) }
}

fn check_sender(sender: &str) -> Result<(), OrderError> {
    let digits = sender.strip_prefix('+').unwrap_or(sender);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return if (3..=15).contains(&digits.len()) { Ok(()) } else { Err(OrderError::Sender) };
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || " .-_&".contains(c);
    let named = sender.len() <= MAX_SENDER_CHARS
        && sender.chars().all(fits)
        && sender.chars().any(|c| c.is_ascii_alphabetic())
        && sender.trim() == sender;
    if named { Ok(()) } else { Err(OrderError::Sender) }
}

/// An alphabet as it is stored.
pub const fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Gsm7 => "gsm7",
        Encoding::Ucs2 => "ucs2",
    }
}

/// A stored alphabet.
pub fn encoding_named(name: &str) -> Encoding {
    if name == "gsm7" { Encoding::Gsm7 } else { Encoding::Ucs2 }
}

/// A name for a message or a campaign that nothing else has.
pub fn new_reference() -> String {
    random_bytes::<16>().iter().fold(String::with_capacity(32), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_international_digits() {
        assert_eq!(number("+447575396991").unwrap().to_string(), "447575396991");
        assert_eq!(number("1234567890").unwrap().to_string(), "1234567890");
        for wrong in
            ["", "+", "0447575396991", "++447575396991", "+44 7575", "123456", "1234567890123456", "+49a"]
        {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_sender_is_a_number_or_a_short_name() {
        for right in ["MyBrand", "A", "+4930123456", "12345", "Shop 24", "a-b_c.d&e"] {
            assert!(check_sender(right).is_ok(), "{right:?}");
        }
        for wrong in
            ["", "12", "MyBrandMyBrand", "Müller", " Brand", "Brand\n", "1234567890123456", "...", "+"]
        {
            assert!(check_sender(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn references_are_32_hexadecimal_digits_and_all_different() {
        let (one, other) = (new_reference(), new_reference());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
