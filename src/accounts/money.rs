//! Money that moves without a call, together with what it is for.
//!
//! A transfer, a voucher, a payment, a top-up: the entries and the row that says what they are for are in one
//! transaction, and the wallets in memory follow. What takes from a wallet takes from it first, guarded, so that no call
//! spends it meanwhile; what gives is given when the book has it.

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

/// How long a commit in doubt is resolved before the caller is answered, and a transfer that was not committed is retried.
const OUTCOME_PATIENCE: Duration = Duration::from_mins(1);
/// The pause before a transfer is written again.
const RETRY: Duration = Duration::from_millis(200);

/// What is written in a movement's transaction beside its entries.
pub trait Alongside: Sync {
    /// Why it may not be written; the movement then does not happen.
    type Refused: Send + std::fmt::Debug;

    /// What the wallets that are taken from must have.
    fn guard(&self) -> Guarded {
        Guarded::Yes
    }

    /// Writes it. `tx_id` is the movement's transaction in the book. It may be run again after a failure: what it wrote
    /// then is gone.
    fn write(
        &self,
        tx: &mut Tx,
        tx_id: i64,
    ) -> impl Future<Output = Result<Result<(), Self::Refused>, StoreError>> + Send;
}

/// Nothing beside the entries, and no wallet gives what it would have to borrow.
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

/// Asks the book about movements whose outcome is not known, and lets the wallets follow: what it has is given, what it has
/// not is given back. Returns when all is known, or at the first that the book does not answer about.
pub async fn find_out(services: &Services) -> Result<(), StoreError> {
    loop {
        let Some(posting) = services.in_doubt.all().first().map(|movement| movement.posting.clone()) else {
            return Ok(());
        };
        let is_there = matches!(services.store.posted_before(&posting).await?, Some(Ok(_)));
        let movement = services.in_doubt.all().remove(0);
        for (account, amount) in &movement.lines {
            // What takes was taken at once; what gives is given when it is known.
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

/// Why a movement did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MoveError<R> {
    /// A wallet has less than what is taken.
    #[error("account {account_id} has {available} available, less than what is taken")]
    NotEnough {
        /// Whose wallet.
        account_id: i64,
        /// What it has.
        available: Money,
    },
    /// The result is no amount a wallet can hold.
    #[error("the balance would be more than a wallet holds")]
    TooLarge,
    /// The reference names another movement.
    #[error("the reference {0:?} names another movement")]
    ReferenceTaken(String),
    /// What is written beside the entries was refused.
    #[error("refused: {0:?}")]
    Refused(R),
    /// The database is away, or the wallets are another process's.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl<R> From<StoreError> for MoveError<R> {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Moves money between wallets, and to and from the house's own accounts, once by the posting's reference (which it must
/// have). A movement of the same reference that was made before changes nothing: its transaction is the answer's, and
/// `duplicate` says so. The posting's fence is set here.
///
/// The caller keeps two movements of one reference apart in time (see [`Services::lock_account`]); the book refuses the second in
/// any case.
pub async fn move_money<A: Alongside>(
    services: &Services,
    mut posting: Posting,
    alongside: &A,
) -> Result<Posted, MoveError<A::Refused>> {
    debug_assert!(posting.reference.is_some(), "a movement has a name to be asked about again by");
    if services.in_doubt.has(&posting) {
        // Its first try is being asked about.
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
    /// It did not happen.
    Not(MoveError<R>),
    /// Its commit failed, and it is not in the ledger: it can be written again.
    NotCommitted(StoreError),
    /// Its commit is in doubt.
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

/// Writes a movement; where its commit failed and did not arrive, writes it again.
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
        // Two that the book has, one that gives and one that takes, and two that it has not.
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
                // What takes is taken before it is written.
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
