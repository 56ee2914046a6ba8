//! Transfers of money without a call, each written together with its purpose.
//!
//! A transfer, a voucher, a payment, a top-up: one transaction writes the entries and the row that records their
//! purpose, and the wallets in memory follow. A debit changes the wallet first, guarded, so that no call spends the
//! money meanwhile; a credit changes the wallet after the ledger has committed it.

use std::sync::Arc;
use std::time::Duration;

use tollgate_rating::Money;
use tollgate_rating::credit::{AdjustError, Guarded};

use crate::directory::Account;
use crate::ledger::{Fence, LAST_SYSTEM_ACCOUNT, Posted, Posting};
use crate::services::in_doubt::InDoubtTransfer;
use crate::services::{ServiceError, Services};
use crate::store::batch::PostingRefusal;
use crate::store::{CommitError, Evidence, Patience, Reserved, StoreError, Tx};

/// Maximum time to resolve a commit in doubt, and to retry an uncommitted transfer, before the caller is answered.
const OUTCOME_PATIENCE: Duration = Duration::from_mins(1);
/// Delay before a transfer is written again.
const RETRY: Duration = Duration::from_millis(200);

/// Rows written in a transfer's transaction beside its entries.
pub trait Alongside: Sync {
    /// Reason to refuse the rows; the transfer then does not happen.
    type Refused: Send + std::fmt::Debug;

    /// Returns the guard that debited wallets must satisfy.
    fn guard(&self) -> Guarded {
        Guarded::Yes
    }

    /// Writes the rows. `tx_id` is the transfer's transaction in the ledger. It may run again after a failure, which
    /// has rolled back the rows of the first run.
    fn write(
        &self,
        tx: &mut Tx,
        tx_id: i64,
    ) -> impl Future<Output = Result<Result<(), Self::Refused>, StoreError>> + Send;
}

/// No rows beside the entries. No debit may use a wallet's credit limit.
#[derive(Debug)]
pub struct OwnMoneyAlone;

impl Alongside for OwnMoneyAlone {
    type Refused = std::convert::Infallible;

    fn guard(&self) -> Guarded {
        Guarded::OwnMoney
    }

    async fn write(&self, _: &mut Tx, _: i64) -> Result<Result<(), Self::Refused>, StoreError> {
        Ok(Ok(()))
    }
}

/// Resolves the transfers whose commit is in doubt and updates the wallets: credits of committed transfers are applied,
/// debits of uncommitted ones are refunded. Returns when all are resolved, or at the first one for which the ledger
/// does not answer.
pub async fn find_out(services: &Services) -> Result<(), StoreError> {
    loop {
        let Some(posting) = services.in_doubt.all().first().map(|movement| movement.posting.clone()) else {
            return Ok(());
        };
        let is_there = matches!(services.store.posted_before(&posting).await?, Some(Ok(_)));
        let movement = services.in_doubt.all().remove(0);
        for (account, amount) in &movement.lines {
            // A debit has changed the wallet already; a credit changes it once its outcome is known.
            let change = match (is_there, amount.is_negative()) {
                (true, false) => Some(*amount),
                (false, true) => amount.checked_neg(),
                _ => None,
            };
            if let Some(change) = change
                && let Err(error) = account.wallet.adjust(change, Guarded::No)
            {
                tracing::error!(account.id = account.id, %error, "a wallet in memory is not as the book");
            }
        }
        tracing::info!(movement = %posting.kind, is_there, "it is known what became of a movement of money");
        if let Some(calls) = services.memory_if_loaded() {
            movement.lines.iter().for_each(|(account, _)| calls.directory.wallet_watch().look_at(account));
        }
    }
}

/// Reasons why a transfer did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MoveError<R> {
    /// A wallet has less than the debit.
    #[error("account {account_id} has {available} available, less than what is taken")]
    NotEnough {
        /// Account of the wallet.
        account_id: i64,
        /// Its available credit.
        available: Money,
    },
    /// The result is outside a wallet's range.
    #[error("the balance would be more than a wallet holds")]
    TooLarge,
    /// The reference names another transfer.
    #[error("the reference {0:?} names another movement")]
    ReferenceTaken(String),
    /// The rows beside the entries were refused.
    #[error("refused: {0:?}")]
    Refused(R),
    /// The database is unreachable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl<R> From<StoreError> for MoveError<R> {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Transfers money between wallets, and to and from system accounts, once per reference of the posting (which is
/// required). A repetition of an earlier transfer with the same reference changes nothing: it returns the earlier
/// transaction with `duplicate` set. The posting's fence is set here.
///
/// The caller serialises transfers of one reference (see [`Services::lock_account`]); the ledger refuses the second one
/// in any case.
pub async fn move_money<A: Alongside>(
    services: &Services,
    mut posting: Posting,
    alongside: &A,
) -> Result<Posted, MoveError<A::Refused>> {
    debug_assert!(posting.reference.is_some(), "a movement has a name to be asked about again by");
    if services.in_doubt.has(&posting) {
        // The commit of the first try is in doubt.
        return Err(StoreError::from(sqlx::Error::PoolTimedOut).into());
    }
    services.ledger().await?;
    posting.fence = Fence::Owner { epoch: services.ownership.epoch() };
    let wallets = services.memory().await?;
    let mut lines = Vec::with_capacity(posting.lines.len());
    for line in posting.lines.iter().filter(|line| line.account_id > LAST_SYSTEM_ACCOUNT) {
        if wallets.directory.account(line.account_id).is_none() {
            services.reload_account(line.account_id).await?;
        }
        let account = wallets.directory.account(line.account_id).ok_or_else(|| StoreError::Inconsistent {
            table: "accounts",
            reason: format!("account {} is not in memory", line.account_id),
        })?;
        if account.wallet.snapshot().balance.checked_add(line.amount).is_none() {
            return Err(MoveError::TooLarge);
        }
        lines.push((account, line.amount));
    }
    let mut taken = Vec::new();
    let give_back = |taken: Vec<(Arc<Account>, Money)>| {
        for (account, amount) in taken {
            if let Some(back) = Money::ZERO.checked_sub(amount)
                && let Err(error) = account.wallet.adjust(back, Guarded::No)
            {
                tracing::error!(account.id = account.id, %error, "what was taken could not be given back in memory");
            }
        }
    };
    for (account, amount) in lines.iter().filter(|(_, amount)| amount.is_negative()) {
        if let Err(error) = account.wallet.adjust(*amount, alongside.guard()) {
            give_back(taken);
            return Err(match error {
                AdjustError::Insufficient { available } => {
                    MoveError::NotEnough { account_id: account.id, available }
                }
                AdjustError::Overflow | AdjustError::NegativeLimit => MoveError::TooLarge,
            });
        }
        taken.push((Arc::clone(account), *amount));
    }
    match write(services, &posting, alongside).await {
        Ok(posted) if posted.duplicate => {
            give_back(taken);
            Ok(posted)
        }
        Ok(posted) => {
            for (account, amount) in &lines {
                if !amount.is_negative()
                    && let Err(error) = account.wallet.adjust(*amount, Guarded::No)
                {
                    tracing::error!(account.id = account.id, %error, "a wallet in memory is behind the book");
                }
                wallets.directory.wallet_watch().look_at(account);
            }
            Ok(posted)
        }
        // The debits stay in the wallets until the doubt is resolved.
        Err(Outcome::InDoubt(error)) => {
            services.in_doubt.all().push(InDoubtTransfer { posting, lines });
            Err(error.into())
        }
        Err(Outcome::NotCommitted(error)) => {
            give_back(taken);
            Err(error.into())
        }
        Err(Outcome::Not(error)) => {
            give_back(taken);
            Err(error)
        }
    }
}

enum Outcome<R> {
    /// The transfer did not happen.
    Not(MoveError<R>),
    /// The commit failed, and the transfer is not in the ledger: it can be written again.
    NotCommitted(StoreError),
    /// The commit is in doubt.
    InDoubt(StoreError),
}

impl<R> From<StoreError> for Outcome<R> {
    fn from(error: StoreError) -> Self {
        Self::Not(error.into())
    }
}

/// Evidence of a posting: its reference in the ledger.
struct IsPosted<'a>(&'a Posting);

impl Evidence for IsPosted<'_> {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        tx.has_posting(self.0).await
    }
}

/// Writes a transfer; writes it again if its commit failed and did not reach the ledger.
async fn write<A: Alongside>(
    services: &Services,
    posting: &Posting,
    alongside: &A,
) -> Result<Posted, Outcome<A::Refused>> {
    let started = tokio::time::Instant::now();
    loop {
        match write_once(services, posting, alongside).await {
            Err(Outcome::NotCommitted(error))
                if started.elapsed() < OUTCOME_PATIENCE && error.is_unavailable() =>
            {
                tracing::warn!(%error, "transfer not committed; written again");
                tokio::time::sleep(RETRY).await;
            }
            other => return other,
        }
    }
}

async fn write_once<A: Alongside>(
    services: &Services,
    posting: &Posting,
    alongside: &A,
) -> Result<Posted, Outcome<A::Refused>> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let posted = match tx.post(posting, services.clock.now()).await? {
        Ok(posted) if posted.duplicate => return Ok(posted),
        Ok(posted) => posted,
        Err(PostingRefusal::ReferenceTaken { reference }) => {
            return Err(Outcome::Not(MoveError::ReferenceTaken(reference)));
        }
        Err(PostingRefusal::StaleEpoch { epoch }) => {
            services.ownership.doubt();
            return Err(StoreError::StaleEpoch { epoch }.into());
        }
        Err(refusal @ PostingRefusal::Unbalanced) => {
            let reason = refusal.to_string();
            return Err(StoreError::Inconsistent { table: "entries", reason }.into());
        }
    };
    if let Err(refused) = alongside.write(&mut tx, posted.tx_id).await? {
        return Err(Outcome::Not(MoveError::Refused(refused)));
    }
    match services.store.commit(tx, &IsPosted(posting), Patience::AtMost(OUTCOME_PATIENCE)).await {
        Ok(()) => Ok(posted),
        Err(CommitError::NotCommitted(error)) => Err(Outcome::NotCommitted(error)),
        Err(CommitError::InDoubt(error)) => Err(Outcome::InDoubt(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ledger::{PostingLine, RESELLER_CREDIT, Reference};
    use crate::store::accounts::{AccountLimits, AccountRecord, Kind};

    async fn a_client(services: &Services) -> Arc<Account> {
        let account = AccountRecord {
            id: 100,
            login: "alice".to_owned(),
            kind: Kind::Client,
            parent_id: None,
            plan_id: 1,
            active: true,
            credit_limit: Money::ZERO,
            limits: AccountLimits::default(),
            callerid: None,
            dial_rules: None,
            allow_loss: false,
            created_at: services.clock.now(),
        };
        let mut tx = services.store.begin().await.unwrap();
        tx.insert_account(&account).await.unwrap();
        tx.commit().await.unwrap();
        services.memory().await.unwrap().directory.account(100).unwrap()
    }

    fn posting(name: &str, amount: i64) -> Posting {
        Posting {
            kind: "transfer".to_owned(),
            lines: vec![
                PostingLine::new(RESELLER_CREDIT, Money::from_nanos(-amount)),
                PostingLine::new(100, Money::from_nanos(amount)),
            ],
            currency: "EUR".to_owned(),
            reference: Some(Reference { scope: 1, text: name.to_owned() }),
            note: None,
            fence: Fence::Fact,
        }
    }

    #[tokio::test]
    async fn wallets_follow_a_movement_whose_commit_was_not_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", folder.path().join("tollgate.db").display()).into();
        let services = Services::open(Arc::new(config)).await.unwrap();
        services.ledger().await.unwrap();
        let alice = a_client(&services).await;
        // Two transfers are in the ledger, a credit and a debit, and two are not.
        for (name, amount) in [("there-gives", 5_000), ("there-takes", -700)] {
            let mut tx = services.store.begin().await.unwrap();
            tx.reserve_ids(Reserved::default()).await.unwrap();
            tx.post(&posting(name, amount), services.clock.now()).await.unwrap().unwrap();
            tx.commit().await.unwrap();
        }
        for (name, amount) in
            [("there-gives", 5_000), ("there-takes", -700), ("lost-gives", 30), ("lost-takes", -4)]
        {
            let change = Money::from_nanos(amount);
            if change.is_negative() {
                // A debit changes the wallet before it is written.
                alice.wallet.adjust(change, Guarded::No).unwrap();
            }
            let lines = vec![(Arc::clone(&alice), change)];
            services.in_doubt.all().push(InDoubtTransfer { posting: posting(name, amount), lines });
        }
        let again = move_money(&services, posting("lost-gives", 30), &OwnMoneyAlone).await;
        assert!(
            matches!(again, Err(MoveError::Services(_))),
            "it waits until the first try is known: {again:?}"
        );
        find_out(&services).await.unwrap();
        assert_eq!(alice.wallet.snapshot().balance, Money::from_nanos(5_000 - 700));
        let posted = move_money(&services, posting("lost-gives", 30), &OwnMoneyAlone).await.unwrap();
        assert!(!posted.duplicate);
        assert_eq!(alice.wallet.snapshot().balance, Money::from_nanos(5_000 - 700 + 30));
        let book = services.store.balance(100, "EUR").await.unwrap();
        assert_eq!(book.money(), Some(alice.wallet.snapshot().balance));
        services.close().await;
    }
}
