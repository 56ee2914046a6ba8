//! Checks and prices messages before they are written: one text to one number or to many.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tollgate_rating::{E164, Money};

use super::error::OrderError;
use super::price::{self, PayerPrice};
use super::providers::Provider;
use super::segments::{self, Counted};
use super::service::Messaging;
use crate::accounts::spending::Share;
use crate::catalog::Snapshot;
use crate::directory::Account;
use crate::secrets::{hex, random_bytes};
use crate::store::messages::{MessageState, NewMessage, Payers};

/// The most recipients of a campaign.
pub const MAX_RECIPIENTS: usize = 100_000;
/// Recipients without a price that are listed with their reason; the others are only counted.
pub const LISTED_REJECTIONS: usize = 100;
/// The fewest and the most digits of a recipient's number.
const NUMBER_DIGITS: std::ops::RangeInclusive<u8> = 7..=15;
/// The most characters of an alphanumeric sender id (3GPP TS 23.040: 11 characters packed in septets).
const MAX_SENDER_CHARS: usize = 11;
/// The reason for a recipient that has a price for its sender and none for a reseller above: the sender does not see
/// which price its reseller lacks.
const UNAVAILABLE: &str = "messages cannot be sent there at present";

/// A request to send a text, as it came in.
#[derive(Clone, Debug)]
pub struct Order {
    /// The account that sends it and pays.
    pub account: Arc<Account>,
    /// The provider that is to send it; the default one if `None`.
    pub provider: Option<String>,
    /// The requested sender id.
    pub sender_id: Option<String>,
    /// The text.
    pub text: String,
}

/// A checked and priced request: ready to be written. It has at least one recipient.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The account that sends it and pays.
    pub account: Arc<Account>,
    /// The provider that sends it.
    pub provider: Provider,
    /// The requested sender id.
    pub sender_id: Option<String>,
    /// Alphabet and number of segments of the text.
    pub counted: Counted,
    /// Price of all messages for the sender: the amount that is held.
    pub cost: Money,
    /// Recipients that were given more than once; each gets one message.
    pub duplicates: usize,
    /// Number of recipients that have no price.
    pub rejected_count: usize,
    text: String,
    rejected: Vec<Rejected>,
    recipients: Vec<Recipient>,
    /// The sum of all messages for each payer, the sender's first.
    shares: Vec<Share>,
}

/// A recipient without a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The number.
    pub number: E164,
    /// The reason, in words for the sender.
    pub reason: String,
}

/// A recipient with the price of its message.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    number: E164,
    /// The charge of each payer, in the order of the chain.
    payers: Payers,
    /// The rates that the charges were computed from: JSON.
    rates: Arc<str>,
}

/// The fields of a message that differ between one that is sent now, at a time, or in a campaign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub(super) id: i64,
    pub(super) campaign_id: Option<i64>,
    pub(super) state: MessageState,
    pub(super) scheduled_at: Option<Timestamp>,
    pub(super) due_at: Timestamp,
}

/// A rate as it is stored with a message.
#[derive(Serialize)]
struct StoredRate<'a> {
    account_id: i64,
    plan_version_ids: &'a [i64],
    tariff_version_id: i64,
    prefix: String,
    destination: &'a str,
    price_per_segment: Money,
    charge: Money,
}

impl Messaging {
    /// Checks and prices a text for its recipients, given as international numbers. A recipient without a price is
    /// rejected; if none has a price, the error is that of the first.
    pub fn prepare(&self, order: Order, phones: &[String]) -> Result<Prepared, OrderError> {
        if phones.is_empty() || phones.len() > MAX_RECIPIENTS {
            return Err(OrderError::RecipientCount { most: MAX_RECIPIENTS });
        }
        let provider = match &order.provider {
            Some(name) => self.providers.get(name).ok_or(OrderError::UnknownProvider)?,
            None => self.providers.default_provider().ok_or(OrderError::NoProviders)?,
        };
        let counted = segments::count(&order.text)?;
        if let Some(sender) = &order.sender_id {
            check_sender(sender)?;
        }
        let prepared = Prepared {
            shares: order.account.chain().into_iter().map(without_charge).collect(),
            account: order.account,
            provider: provider.clone(),
            sender_id: order.sender_id,
            counted,
            cost: Money::ZERO,
            duplicates: 0,
            rejected_count: 0,
            text: order.text,
            rejected: Vec::new(),
            recipients: Vec::with_capacity(phones.len()),
        };
        prepared.price(phones, &self.memory.catalog.snapshot(), self.services.clock.now())
    }
}

impl Prepared {
    /// Adds the recipients that have a price, and sums what each payer pays.
    fn price(mut self, phones: &[String], catalog: &Snapshot, now: Timestamp) -> Result<Self, OrderError> {
        let numbers = phones
            .iter()
            .enumerate()
            .map(|(index, phone)| parse_number(phone).ok_or(OrderError::Number { index }))
            .collect::<Result<Vec<E164>, OrderError>>()?;
        let chain: Vec<Arc<Account>> = self.shares.iter().map(|share| Arc::clone(&share.account)).collect();
        let mut seen = HashSet::with_capacity(numbers.len());
        // Rates are texts of some hundred bytes, and the recipients of a campaign share a few: each is kept once.
        let mut known_rates: HashSet<Arc<str>> = HashSet::new();
        let mut first_error = None;
        for number in numbers {
            if !seen.insert(number.value()) {
                self.duplicates += 1;
                continue;
            }
            match price::price(catalog, &chain, number, self.counted.segments, now) {
                Ok(prices) => {
                    let rates = to_json(&prices);
                    let rates = known_rates.get(rates.as_str()).cloned().unwrap_or_else(|| {
                        let rates: Arc<str> = rates.into();
                        known_rates.insert(Arc::clone(&rates));
                        rates
                    });
                    self.add(number, &prices, rates)?;
                }
                Err(none) => {
                    let reason =
                        if none.place == 0 { none.reason.to_string() } else { UNAVAILABLE.to_owned() };
                    self.rejected_count += 1;
                    if self.rejected.len() < LISTED_REJECTIONS {
                        self.rejected.push(Rejected { number, reason });
                    }
                    first_error.get_or_insert(none);
                }
            }
        }
        match first_error {
            Some(error) if self.recipients.is_empty() => Err(error.into()),
            _ => Ok(self),
        }
    }

    fn add(&mut self, number: E164, prices: &[PayerPrice], rates: Arc<str>) -> Result<(), OrderError> {
        for (share, price) in self.shares.iter_mut().zip(prices) {
            share.amount = share.amount.checked_add(price.charge).ok_or(OrderError::TooLarge)?;
        }
        self.cost = self.shares.first().map_or(Money::ZERO, |share| share.amount);
        let payers = prices.iter().map(|price| (price.account_id, price.charge)).collect();
        self.recipients.push(Recipient { number, payers, rates });
        Ok(())
    }

    /// Number of recipients that get a message.
    pub fn recipient_count(&self) -> usize {
        self.recipients.len()
    }

    /// The first [`LISTED_REJECTIONS`] recipients without a price.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Reports whether the sender pays nothing for it.
    pub fn is_free(&self) -> bool {
        self.cost == Money::ZERO
    }

    /// Balance of the sender once the held cost is charged.
    pub fn balance_after(&self) -> Money {
        self.account.wallet.snapshot().balance.checked_sub(self.cost).unwrap_or(Money::ZERO)
    }

    /// The sum of all messages for each payer, the sender's first.
    pub(super) fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The text of a campaign, which its messages do not repeat.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The only recipient of a single message.
    pub(super) fn first_recipient(&self) -> Result<&Recipient, OrderError> {
        self.recipients.first().ok_or(OrderError::RecipientCount { most: MAX_RECIPIENTS })
    }

    /// The message to a recipient.
    pub(super) fn message(&self, recipient: &Recipient, placement: Placement) -> NewMessage {
        let Placement { id, campaign_id, state, scheduled_at, due_at } = placement;
        NewMessage {
            id,
            account_id: self.account.id,
            campaign_id,
            reference: new_reference(),
            provider: self.provider.name.clone(),
            phone: recipient.number.to_string(),
            sender_id: self.sender_id.clone(),
            body: campaign_id.is_none().then(|| self.text.clone()),
            encoding: self.counted.encoding.as_str(),
            segments: self.counted.segments,
            scheduled_at,
            due_at,
            state,
            claim: None,
            payers: recipient.payers.clone(),
            prices: recipient.rates.to_string(),
            failure: None,
        }
    }
}

fn without_charge(account: Arc<Account>) -> Share {
    Share { account, amount: Money::ZERO }
}

fn to_json(prices: &[PayerPrice]) -> String {
    let rates: Vec<StoredRate<'_>> = prices
        .iter()
        .map(|price| StoredRate {
            account_id: price.account_id,
            plan_version_ids: &price.plan_version_ids,
            tariff_version_id: price.tariff_version_id,
            prefix: price.prefix.to_string(),
            destination: &price.destination,
            price_per_segment: price.price_per_segment,
            charge: price.charge,
        })
        .collect();
    // Numbers and texts only: serialization cannot fail.
    serde_json::to_string(&rates).unwrap_or_default()
}

/// Parses a recipient's number: international digits, with or without `+`.
fn parse_number(phone: &str) -> Option<E164> {
    let number: E164 = phone.strip_prefix('+').unwrap_or(phone).parse().ok()?;
    NUMBER_DIGITS.contains(&number.digits()).then_some(number)
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

/// Creates a unique reference of a message or a campaign: 32 hexadecimal digits.
pub(super) fn new_reference() -> String {
    hex(&random_bytes::<16>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_international_digits() {
        assert_eq!(parse_number("+447575396991").unwrap().to_string(), "447575396991");
        assert_eq!(parse_number("1234567890").unwrap().to_string(), "1234567890");
        for wrong in
            ["", "+", "0447575396991", "++447575396991", "+44 7575", "123456", "1234567890123456", "+49a"]
        {
            assert!(parse_number(wrong).is_none(), "{wrong:?}");
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
