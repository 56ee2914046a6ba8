//! Payments that a reseller's portal received for its clients: reported as their status changes, credited once when
//! paid.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::money::{Alongside, MoveError, move_money};
use super::reference_text::{self, OddText};
use super::retail_credit::{self, AmountError};
use crate::directory::Account;
use crate::services::{ServiceError, Services};
use crate::store::payments::{Credited, PaymentRecord};
use crate::store::{Reserved, StoreError, Tx};

/// The kind of its postings.
const KIND: &str = "payment";
/// Provider statuses that mean the money has arrived.
const PAID: [&str; 3] = ["paid", "completed", "paid_over"];
/// Maximum attempts to register a payment; a payment that another process credits between two attempts is read once
/// more.
const LOOKS: usize = 3;

/// A payment's status as reported by a portal.
#[derive(Clone, Debug)]
pub struct PaymentTold {
    /// Id of the reseller that runs the portal.
    pub reseller_id: i64,
    /// Amount paid.
    pub amount: Money,
    /// Currency of the amount.
    pub currency: String,
    /// Name of the payment provider.
    pub provider: String,
    /// The portal's id of the payment.
    pub external_id: String,
    /// The provider's id of the payment; empty while unknown.
    pub provider_txid: String,
    /// Status as named by the provider.
    pub status: String,
}

impl PaymentTold {
    fn is_paid(&self) -> bool {
        is_paid(&self.status)
    }
}

/// Reports whether a provider's status means that the money has arrived.
pub fn is_paid(status: &str) -> bool {
    PAID.contains(&status)
}

/// Reasons to refuse a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRefusal {
    /// The portal's id has more than one spelling.
    #[error("external_id: {0}")]
    ExternalId(OddText),
    /// The provider's id has more than one spelling.
    #[error("provider_txid: {0}")]
    ProviderTxid(OddText),
    /// The amount cannot be credited.
    #[error("amount: {0}")]
    Amount(AmountError),
    /// The currency differs from that of the wallets.
    #[error("currency: payments are taken in the currency of the accounts alone")]
    WrongCurrency,
    /// The portal's id was reported before for another payment.
    #[error("this external_id was used with another body before")]
    ExternalIdTaken,
    /// The provider's id was reported before for another payment.
    #[error("this provider_txid was used with another external_id before")]
    ProviderTxidTaken,
    /// The payment is already credited; a credited payment does not change.
    #[error("this payment is credited: its status cannot go back")]
    AlreadyCredited,
    /// The reseller has the maximum number of uncredited payments.
    #[error(
        "{most} payments are not credited: no more are registered until some are, or are deleted in time"
    )]
    TooManyOpen {
        /// Maximum number of uncredited payments.
        most: u32,
    },
    /// The client's balance would exceed the range of a wallet.
    #[error("the balance would be more than an account holds")]
    TooLarge,
}

/// Reasons why a payment was not registered.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The payment was refused.
    #[error(transparent)]
    Refused(#[from] PaymentRefusal),
    /// The database is unreachable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for PaymentError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// The action that a report requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// None: everything reported is recorded already.
    Known,
    /// Record the payment.
    Record,
    /// Credit the payment.
    Credit,
}

/// Checks ids that are reported for the first time. A payment recorded earlier under an ambiguous id is still found by
/// it.
fn check_names(before: Option<&PaymentRecord>, told: &PaymentTold) -> Result<(), PaymentRefusal> {
    if before.is_none() {
        reference_text::check(&told.external_id).map_err(PaymentRefusal::ExternalId)?;
    }
    if before.is_none_or(|before| before.provider_txid != told.provider_txid) {
        reference_text::check(&told.provider_txid).map_err(PaymentRefusal::ProviderTxid)?;
    }
    Ok(())
}

/// Determines the action, given the earlier report with the same id.
fn step(before: Option<&PaymentRecord>, account_id: i64, told: &PaymentTold) -> Result<Step, PaymentRefusal> {
    let Some(before) = before else {
        return Ok(if told.is_paid() { Step::Credit } else { Step::Record });
    };
    let same_txid = before.provider_txid == told.provider_txid;
    let same = before.account_id == account_id
        && before.amount == told.amount
        && before.currency == told.currency
        && before.provider == told.provider
        && (same_txid || before.provider_txid.is_empty());
    if !same {
        return Err(PaymentRefusal::ExternalIdTaken);
    }
    match (before.credited.is_some(), told.is_paid()) {
        (true, false) => Err(PaymentRefusal::AlreadyCredited),
        (false, true) => Ok(Step::Credit),
        // Another unpaid status is a conflicting report.
        (false, false) if before.status != told.status => Err(PaymentRefusal::ExternalIdTaken),
        _ if same_txid => Ok(Step::Known),
        _ => Ok(Step::Record),
    }
}

/// Registers a payment that a portal reports for a client of its reseller.
pub async fn register(
    services: &Services,
    told: &PaymentTold,
    client: &Account,
) -> Result<PaymentRecord, PaymentError> {
    retail_credit::check_amount(told.amount).map_err(PaymentRefusal::Amount)?;
    if told.currency != services.currency() {
        return Err(PaymentRefusal::WrongCurrency.into());
    }
    let _lock = services.lock_account(client.id).await;
    for _ in 0..LOOKS {
        let before = services.store.payment_of(told.reseller_id, &told.external_id).await?;
        check_names(before.as_ref(), told)?;
        match (step(before.as_ref(), client.id, told)?, before) {
            (Step::Known, Some(before)) => return Ok(before),
            (Step::Credit, _) => credit(services, told, client).await?,
            (Step::Known | Step::Record, _) => record(services, told, client.id).await?,
        }
    }
    let reason = format!("payment {:?} of reseller {} does not settle", told.external_id, told.reseller_id);
    Err(StoreError::Inconsistent { table: "payments", reason }.into())
}

async fn record(services: &Services, told: &PaymentTold, account_id: i64) -> Result<(), PaymentError> {
    let mut tx = services.store.begin().await?;
    let written = write(&mut tx, told, account_id, None, services.clock.now()).await?;
    written?;
    let most = services.config.limits.kept_failures_per_reseller;
    if tx.count_uncredited_payments(told.reseller_id).await? > i64::from(most) {
        return Err(PaymentRefusal::TooManyOpen { most }.into());
    }
    tx.commit().await?;
    Ok(())
}

async fn credit(services: &Services, told: &PaymentTold, client: &Account) -> Result<(), PaymentError> {
    let before = client.wallet.snapshot().balance;
    let client_balance = before.checked_add(told.amount).ok_or(PaymentRefusal::TooLarge)?;
    let note = format!("payment {} by {}", told.external_id, told.provider);
    let posting = retail_credit::posting(
        KIND,
        told.reseller_id,
        client.id,
        told.amount,
        &told.external_id,
        services.currency(),
        note,
    )
    .ok_or(PaymentRefusal::Amount(AmountError::TooLarge))?;
    let row = Row { told, account_id: client.id, client_balance, at: services.clock.now() };
    match move_money(services, posting, &row).await {
        Ok(_) => Ok(()),
        Err(MoveError::ReferenceTaken(_)) => Err(PaymentRefusal::ExternalIdTaken.into()),
        Err(MoveError::Refused(refusal)) => Err(refusal.into()),
        // No wallet is debited: the credit comes from a system account.
        Err(MoveError::TooLarge | MoveError::NotEnough { .. }) => Err(PaymentRefusal::TooLarge.into()),
        Err(MoveError::Services(error)) => Err(error.into()),
    }
}

struct Row<'a> {
    told: &'a PaymentTold,
    account_id: i64,
    client_balance: Money,
    at: Timestamp,
}

impl Alongside for Row<'_> {
    type Refused = PaymentRefusal;

    async fn write(&self, tx: &mut Tx, tx_id: i64) -> Result<Result<(), PaymentRefusal>, StoreError> {
        let credited = Credited { tx_id, client_balance: self.client_balance };
        write(tx, self.told, self.account_id, Some(credited), self.at).await
    }
}

/// Writes the report, with the credit if there is one. The earlier report is read under the counters' lock: of two
/// concurrent reports of one payment the second sees the first.
async fn write(
    tx: &mut Tx,
    told: &PaymentTold,
    account_id: i64,
    credited: Option<Credited>,
    at: Timestamp,
) -> Result<Result<(), PaymentRefusal>, StoreError> {
    let id = tx.reserve_ids(Reserved { changes: 1, ..Reserved::default() }).await?.changes;
    if !told.provider_txid.is_empty() {
        let known = tx.payment_of_provider(told.reseller_id, &told.provider, &told.provider_txid).await?;
        if known.is_some_and(|external_id| external_id != told.external_id) {
            return Ok(Err(PaymentRefusal::ProviderTxidTaken));
        }
    }
    let before = tx.payment_of(told.reseller_id, &told.external_id).await?;
    match step(before.as_ref(), account_id, told) {
        Err(refusal) => return Ok(Err(refusal)),
        // A report that requires a credit is written only with it, and a report that does not is never written with
        // one.
        Ok(step) if (step == Step::Credit) != credited.is_some() => {
            return Ok(Err(PaymentRefusal::ExternalIdTaken));
        }
        Ok(_) => {}
    }
    match before {
        Some(before) => {
            tx.change_payment(&PaymentRecord {
                provider_txid: told.provider_txid.clone(),
                // The status that the payment was credited at is kept.
                status: if before.credited.is_some() { before.status.clone() } else { told.status.clone() },
                credited: before.credited.or(credited),
                changed_at: at,
                ..before
            })
            .await?;
        }
        None => {
            tx.insert_payment(&PaymentRecord {
                id,
                reseller_id: told.reseller_id,
                account_id,
                external_id: told.external_id.clone(),
                amount: told.amount,
                currency: told.currency.clone(),
                provider: told.provider.clone(),
                provider_txid: told.provider_txid.clone(),
                status: told.status.clone(),
                credited,
                created_at: at,
                changed_at: at,
            })
            .await?;
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &str, txid: &str) -> PaymentTold {
        PaymentTold {
            reseller_id: 100,
            amount: Money::from_nanos(5),
            currency: "EUR".to_owned(),
            provider: "plisio".to_owned(),
            external_id: "order-1".to_owned(),
            provider_txid: txid.to_owned(),
            status: status.to_owned(),
        }
    }

    fn known(told: &PaymentTold) -> PaymentRecord {
        let told = told.clone();
        let credited = told.is_paid().then_some(Credited { tx_id: 1, client_balance: Money::ZERO });
        PaymentRecord {
            id: 1,
            reseller_id: told.reseller_id,
            account_id: 101,
            external_id: told.external_id,
            amount: told.amount,
            currency: told.currency,
            provider: told.provider,
            provider_txid: told.provider_txid,
            status: told.status,
            credited,
            created_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_payment_becomes_paid_once_and_its_txid_known_once() {
        use PaymentRefusal::{AlreadyCredited, ExternalIdTaken};
        let first = |status: &str| step(None, 101, &told(status, ""));
        assert_eq!((first("paid"), first("pending")), (Ok(Step::Credit), Ok(Step::Record)));
        for (before, now, wanted) in [
            (("pending", ""), ("paid", ""), Ok(Step::Credit)),
            (("pending", ""), ("completed", "t1"), Ok(Step::Credit)),
            (("pending", ""), ("pending", ""), Ok(Step::Known)),
            (("pending", ""), ("pending", "t1"), Ok(Step::Record)),
            (("pending", ""), ("expired", ""), Err(ExternalIdTaken)),
            (("pending", "t1"), ("paid", "t2"), Err(ExternalIdTaken)),
            (("pending", "t1"), ("pending", ""), Err(ExternalIdTaken)),
            (("paid", ""), ("paid", ""), Ok(Step::Known)),
            (("paid", ""), ("paid_over", ""), Ok(Step::Known)),
            (("paid", ""), ("paid", "t1"), Ok(Step::Record)),
            (("paid", "t1"), ("paid", "t2"), Err(ExternalIdTaken)),
            (("paid", ""), ("expired", ""), Err(AlreadyCredited)),
        ] {
            let before_it = known(&told(before.0, before.1));
            assert_eq!(step(Some(&before_it), 101, &told(now.0, now.1)), wanted, "{before:?} then {now:?}");
        }
        let before = known(&told("pending", ""));
        assert_eq!(step(Some(&before), 102, &told("paid", "")), Err(ExternalIdTaken));
        let dearer = PaymentTold { amount: Money::from_nanos(6), ..told("paid", "") };
        assert_eq!(step(Some(&before), 101, &dearer), Err(ExternalIdTaken));
        let other = PaymentTold { provider: "heleket".to_owned(), ..told("paid", "") };
        assert_eq!(step(Some(&before), 101, &other), Err(ExternalIdTaken));
    }
}
