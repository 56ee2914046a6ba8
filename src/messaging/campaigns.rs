//! One text to many. The whole campaign's cost is set aside before any of it is anybody's, and each message takes its part.

use std::collections::HashSet;

use jiff::Timestamp;
use tollgate_rating::credit::RefusalReason;
use tollgate_rating::{E164, Money};

use super::Messaging;
use super::order::{Draft, OrderError, encoding_name, new_reference};
use super::single::SendError;
use crate::accounts::spending::{self, Question, Record, Share, Spending};
use crate::store::campaigns::{CampaignProgress, CampaignRecord, NewCampaign};
use crate::store::idempotency::RememberedAnswer;
use crate::store::messages::{MessageState, NewMessage, Payers};
use crate::store::{StoreError, Tx};

/// The most recipients of a campaign.
pub const MAX_RECIPIENTS: usize = 100_000;
/// Recipients in one transaction: on the embedded database calls wait for it.
const AT_ONCE: usize = 500;
/// Messages called back in one transaction.
const CANCELLED_AT_ONCE: i64 = 1_000;

/// To whom a campaign goes.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    /// The numbers, each once, in the order they were given, with what a message there costs whom; an error where none can
    /// be sent there.
    all: Vec<(E164, Result<Cost, String>)>,
    /// How many numbers were given again.
    pub duplicates: usize,
}

/// What a message costs: an index into the few costs that a campaign has, since most numbers share a price.
#[derive(Clone, Debug)]
struct Cost {
    payers: Payers,
    prices: std::sync::Arc<str>,
}

impl Recipients {
    /// To how many a message is sent.
    pub fn queued(&self) -> usize {
        self.all.iter().filter(|(_, cost)| cost.is_ok()).count()
    }

    /// What whoever sends it pays for all of it.
    pub fn retail(&self) -> Result<Money, SendError> {
        let mut sum = Money::ZERO;
        for cost in self.all.iter().filter_map(|(_, cost)| cost.as_ref().ok()) {
            let retail = cost.payers.first().map_or(Money::ZERO, |(_, charge)| *charge);
            sum = sum.checked_add(retail).ok_or(SendError::TooLarge)?;
        }
        Ok(sum)
    }

    /// To whom none is sent, and why.
    pub fn rejected(&self) -> impl Iterator<Item = (E164, &str)> {
        self.all.iter().filter_map(|(number, cost)| cost.as_ref().err().map(|why| (*number, why.as_str())))
    }
}

/// A campaign called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// How many of its messages will not be sent.
    pub recipients: i64,
}

/// Why something is not called back.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The account has none such.
    #[error("there is none such")]
    Unknown,
    /// It is too late.
    #[error("it is {state} already")]
    TooLate {
        /// Where it is.
        state: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The last step of a campaign's making: it becomes its sender's.
struct Published<'a> {
    id: i64,
    recipients: i64,
    waiting: i64,
    remembered: Option<&'a RememberedAnswer>,
}

impl Record for Published<'_> {
    type Refused = std::convert::Infallible;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), Self::Refused>, StoreError> {
        if !tx.publish_campaign(self.id, self.recipients, self.waiting).await? {
            let reason = format!("campaign {} is not the one that was written", self.id);
            return Err(StoreError::Inconsistent { table: "sms_campaigns", reason });
        }
        if let Some(answer) = self.remembered {
            tx.remember_answer(answer).await?;
        }
        Ok(Ok(()))
    }
}

impl Question for Published<'_> {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.campaign_now(self.id).await?.is_some_and(|campaign| campaign.state != "STAGING"))
    }
}

/// Whether a message of a campaign was called back. Nobody else calls it back meanwhile.
struct IsCalledBack(i64);

impl Question for IsCalledBack {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.message_state(self.0).await? == Some(MessageState::Cancelled))
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
            let cost = match self.price(draft, *number) {
                Ok(priced) => {
                    let rates = known.get(priced.prices.as_str()).cloned().unwrap_or_else(|| {
                        let rates: std::sync::Arc<str> = priced.prices.as_str().into();
                        known.insert(std::sync::Arc::clone(&rates));
                        rates
                    });
                    Ok(Cost { payers: priced.payers, prices: rates })
                }
                // What a reseller lacks is not for its clients' eyes.
                Err(OrderError::NoPrice(none)) if none.place == 0 => Err(none.reason.to_string()),
                Err(OrderError::NoPrice(_)) => Err("messages cannot be sent there at present".to_owned()),
                Err(error) => return Err(error),
            };
            recipients.all.push((*number, cost));
        }
        Ok(recipients)
    }

    /// Takes a campaign: on return it is durable, its cost is set aside, and it will be sent.
    pub async fn begin_campaign(
        &self,
        draft: &Draft,
        recipients: &Recipients,
        (id, scheduled_at): (i64, Option<Timestamp>),
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let campaign = NewCampaign {
            id,
            account_id: draft.account.id,
            reference: new_reference(),
            provider: draft.provider.name.clone(),
            sender_id: draft.sender_id.clone(),
            body: draft.text.clone(),
            encoding: encoding_name(draft.counted.encoding),
            segments: draft.counted.segments,
            scheduled_at,
        };
        let shares = cost_of_all(draft, recipients)?;
        // Whoever cannot pay for it writes nothing; what is decisive comes when all is written.
        let is_short = |share: &Share| {
            share.amount > Money::ZERO && share.account.wallet.snapshot().available < share.amount
        };
        if let Some(payer_index) = shares.iter().position(is_short) {
            return Err(SendError::Short { payer_index, reason: RefusalReason::NoCredit });
        }
        let ids = self.ids(recipients.all.len()).await?;
        let queued = i64::try_from(recipients.queued()).unwrap_or(i64::MAX);
        let all = i64::try_from(recipients.all.len()).unwrap_or(i64::MAX);
        let published = Published { id, recipients: all, waiting: queued, remembered };
        let begun = async {
            self.stage(draft, &campaign, recipients, ids).await?;
            spending::set_aside(&self.desk, Spending::Sms, &campaign.reference, &shares, &published).await?;
            Ok::<(), SendError>(())
        };
        if let Err(error) = begun.await {
            if let Err(left) = self.desk.store.discard_campaign(id).await {
                tracing::warn!(error = %left, "a campaign that was not taken is swept at the next start");
            }
            return Err(error);
        }
        self.wake(&campaign.provider);
        Ok(())
    }

    /// Writes campaign and recipients, some at a time. Until it is published it is nobody's.
    async fn stage(
        &self,
        draft: &Draft,
        campaign: &NewCampaign,
        recipients: &Recipients,
        first_id: i64,
    ) -> Result<(), StoreError> {
        let now = self.desk.clock.now();
        let due_at = campaign.scheduled_at.unwrap_or(now);
        let mut ids = first_id..;
        let mut is_first = true;
        for some in recipients.all.chunks(AT_ONCE) {
            let messages: Vec<NewMessage> = some
                .iter()
                .zip(&mut ids)
                .map(|((number, cost), id)| NewMessage {
                    id,
                    account_id: draft.account.id,
                    campaign_id: Some(campaign.id),
                    reference: new_reference(),
                    provider: campaign.provider.clone(),
                    phone: number.to_string(),
                    sender_id: campaign.sender_id.clone(),
                    body: None,
                    encoding: campaign.encoding,
                    segments: campaign.segments,
                    scheduled_at: campaign.scheduled_at,
                    due_at,
                    state: match cost {
                        Ok(_) => MessageState::Queued,
                        Err(_) => MessageState::Rejected,
                    },
                    claim: None,
                    payers: cost.as_ref().map(|cost| cost.payers.clone()).unwrap_or_default(),
                    prices: cost.as_ref().map_or_else(|_| "[]".to_owned(), |cost| cost.prices.to_string()),
                    failure: cost.as_ref().err().cloned(),
                })
                .collect();
            let mut tx = spending::begin(&self.desk).await?;
            if is_first {
                tx.insert_campaign(campaign, now).await?;
                is_first = false;
            }
            tx.insert_messages(&messages, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Calls an account's campaign back: what was not taken to be sent will not be.
    pub async fn cancel_campaign(&self, account_id: i64, id: i64) -> Result<Cancelled, CancelError> {
        let found = self.desk.store.campaign(id).await?;
        let found = found.filter(|campaign| campaign.account_id == account_id && campaign.state != "STAGING");
        let campaign = found.ok_or(CancelError::Unknown)?;
        let mut tx = spending::begin(&self.desk).await?;
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
            let now = self.desk.clock.now();
            let mut tx = spending::begin(&self.desk).await?;
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
                && !spending::until_known(&self.desk, &called_back).await
            {
                return Err(error);
            }
            spending::follow(&self.desk, &shares, &amounts, &vec![Money::ZERO; amounts.len()]).await;
            all += count;
        }
    }
}

/// What each payer pays for all of it.
fn cost_of_all(draft: &Draft, recipients: &Recipients) -> Result<Vec<Share>, SendError> {
    let mut shares: Vec<Share> = draft
        .chain
        .iter()
        .map(|account| Share { account: std::sync::Arc::clone(account), amount: Money::ZERO })
        .collect();
    for cost in recipients.all.iter().filter_map(|(_, cost)| cost.as_ref().ok()) {
        for (share, (_, charge)) in shares.iter_mut().zip(&cost.payers) {
            share.amount = share.amount.checked_add(*charge).ok_or(SendError::TooLarge)?;
        }
    }
    Ok(shares)
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
