//! One text to many: its recipients with their prices, and its cancellation. How it is written is in `staging`.

use std::collections::HashSet;

use tollgate_rating::{E164, Money};

use super::error::{CancelError, OrderError, SendError};
use super::order::Draft;
use super::service::Messaging;
use crate::accounts::spending::{self, Question};
use crate::store::campaigns::{CampaignProgress, CampaignRecord};
use crate::store::messages::{MessageState, Payers};
use crate::store::{StoreError, Tx};

/// The most recipients of a campaign.
pub const MAX_RECIPIENTS: usize = 100_000;
/// Messages called back in one transaction.
const CANCELLED_AT_ONCE: i64 = 250;

/// Recipients without a price that are kept with their reason; the others are counted.
pub const NAMED_REJECTIONS: usize = 100;

/// To whom a campaign goes.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    /// The numbers with a price, each once, in the order they were given.
    pub(super) priced: Vec<(E164, Cost)>,
    /// The first [`NAMED_REJECTIONS`] numbers without a price, and why they have none.
    rejected: Vec<(E164, String)>,
    /// How many numbers have no price.
    pub rejected_count: usize,
    /// How many numbers were given again.
    pub duplicates: usize,
}

/// The cost of a message for each payer, and the rates.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) payers: Payers,
    pub(super) prices: std::sync::Arc<str>,
}

impl Recipients {
    /// To how many a message is sent.
    pub fn queued(&self) -> usize {
        self.priced.len()
    }

    /// The amount that the sender pays for all of it.
    pub fn retail(&self) -> Result<Money, SendError> {
        let mut sum = Money::ZERO;
        for (_, cost) in &self.priced {
            let retail = cost.payers.first().map_or(Money::ZERO, |(_, charge)| *charge);
            sum = sum.checked_add(retail).ok_or(SendError::TooLarge)?;
        }
        Ok(sum)
    }

    /// The first [`NAMED_REJECTIONS`] numbers that get no message, and why.
    pub fn rejected(&self) -> impl Iterator<Item = (E164, &str)> {
        self.rejected.iter().map(|(number, why)| (*number, why.as_str()))
    }

    fn reject(&mut self, number: E164, why: impl FnOnce() -> String) {
        self.rejected_count += 1;
        if self.rejected.len() < NAMED_REJECTIONS {
            self.rejected.push((number, why()));
        }
    }
}

/// A campaign called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// How many of its messages will not be sent.
    pub recipients: i64,
}

/// Whether a message of a campaign was called back. Nobody else calls it back meanwhile.
struct IsCalledBack(i64);

impl Question for IsCalledBack {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        // A cancelled one may have been deleted since.
        Ok(tx.message_state(self.0).await?.is_none_or(|state| state == MessageState::Cancelled))
    }
}

impl Messaging {
    /// Prices the recipients of a campaign. A number that is given again is counted and gets one message.
    pub fn recipients(&self, draft: &Draft, numbers: &[E164]) -> Result<Recipients, OrderError> {
        let mut recipients = Recipients::default();
        let mut seen = HashSet::with_capacity(numbers.len());
        // Prices are texts of some hundred bytes, and a campaign has a few: each is kept once.
        let mut known: HashSet<std::sync::Arc<str>> = HashSet::new();
        for number in numbers {
            if !seen.insert(number.value()) {
                recipients.duplicates += 1;
                continue;
            }
            match self.price(draft, *number) {
                Ok(priced) => {
                    let rates = known.get(priced.prices.as_str()).cloned().unwrap_or_else(|| {
                        let rates: std::sync::Arc<str> = priced.prices.as_str().into();
                        known.insert(std::sync::Arc::clone(&rates));
                        rates
                    });
                    recipients.priced.push((*number, Cost { payers: priced.payers, prices: rates }));
                }
                // The client does not see which price its reseller lacks.
                Err(OrderError::NoPrice(none)) if none.place == 0 => {
                    recipients.reject(*number, || none.reason.to_string());
                }
                Err(OrderError::NoPrice(_)) => {
                    recipients.reject(*number, || "messages cannot be sent there at present".to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(recipients)
    }

    /// Calls an account's campaign back: what was not taken to be sent will not be.
    pub async fn cancel_campaign(&self, account_id: i64, id: i64) -> Result<Cancelled, CancelError> {
        let found = self.services.store.campaign(id).await?;
        let found = found.filter(|campaign| campaign.account_id == account_id && campaign.state != "STAGING");
        let campaign = found.ok_or(CancelError::Unknown)?;
        let mut tx = spending::begin(&self.services).await?;
        if !tx.cancel_campaign(id, account_id).await? {
            let now = tx.campaign_now(id).await?.map_or(campaign.state, |campaign| campaign.state);
            return Err(CancelError::TooLate { state: now });
        }
        tx.commit().await?;
        Ok(Cancelled { recipients: self.cancel_rest(&campaign).await? })
    }

    /// Gives back what is set aside for the messages of a cancelled campaign that still wait. They are cancelled some at a
    /// time; what a crash leaves is done at the next start.
    pub(super) async fn cancel_rest(&self, campaign: &CampaignRecord) -> Result<i64, StoreError> {
        // One at a time, so that it can be told whose calling back a message was.
        let _alone = self.cancelling.lock().await;
        let (mut all, mut after) = (0, 0);
        loop {
            let now = self.services.clock.now();
            let mut tx = spending::begin(&self.services).await?;
            let some = tx.cancel_some(campaign.id, after, CANCELLED_AT_ONCE, now).await?;
            let Some((last, _)) = some.last() else {
                tx.rollback().await?;
                return Ok(all);
            };
            let called_back = IsCalledBack(*last);
            after = *last;
            let count = i64::try_from(some.len()).unwrap_or(i64::MAX);
            let sums = sums(&some)?;
            let amounts: Vec<Money> = sums.iter().map(|(_, amount)| *amount).collect();
            spending::take(&mut tx, &campaign.reference, &amounts).await?;
            let progress = CampaignProgress { cancelled: count, ..CampaignProgress::default() };
            tx.count_campaign(campaign.id, progress, now).await?;
            // Before the commit: what the book does, wallets must be able to follow.
            let shares = self.shares(&sums).await?;
            if let Err(error) = tx.commit().await
                && !spending::until_known(&self.services, &called_back).await
            {
                return Err(error);
            }
            spending::follow(&self.services, &shares, &amounts, &vec![Money::ZERO; amounts.len()]).await;
            all += count;
        }
    }
}

/// What each payer would have paid in all. A campaign's messages have the same payers.
fn sums(some: &[(i64, Payers)]) -> Result<Payers, StoreError> {
    let mut sums: Payers = some.first().map(|(_, payers)| payers.clone()).unwrap_or_default();
    for (_, payers) in some.iter().skip(1) {
        for ((id, sum), (payer, amount)) in sums.iter_mut().zip(payers) {
            let added = sum.checked_add(*amount).filter(|_| id == payer);
            *sum = added.ok_or_else(|| StoreError::Inconsistent {
                table: "sms_messages",
                reason: "a campaign's messages are paid by different payers".to_owned(),
            })?;
        }
    }
    Ok(sums)
}
