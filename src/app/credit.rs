//! Credit that an operator gives or takes back: posted to the book and to the wallet.

use std::time::Duration;

use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::desk::{Desk, book_balance};
use crate::accounts::AccountRecord;
use crate::accounts::ops::OpsError;
use crate::ledger::{Fence, Ledger, LedgerError, Posting, Reference};
use crate::secrets::random_below;

/// How long a credit whose outcome is unknown is asked about again.
const OUTCOME_PATIENCE: Duration = Duration::from_mins(1);

impl Desk {
    /// Posts a credit to the book and to the wallet; returns the new balance.
    ///
    /// What is taken back must be available: it is taken from the wallet before it is posted, so that no call can
    /// spend it meanwhile.
    pub async fn post_credit(
        &self,
        account: &AccountRecord,
        amount: Money,
        reference: &str,
    ) -> Result<Money, OpsError> {
        let ledger = self.ledger().await?.clone();
        let fence = Fence::Owner { epoch: self.ownership.epoch() };
        let mut posting = Posting::credit(account.id, amount, self.currency(), None, fence)
            .ok_or(OpsError::BadValue { field: "AMOUNT", reason: "is out of range".to_owned() })?;
        posting.note = Some(reference.to_owned());
        // Its own name, so that a commit whose outcome was lost can be asked about again.
        posting.reference = Some(Reference {
            scope: 0,
            text: format!("cli-{}-{:016x}", self.clock.now().as_microsecond(), random_below(u64::MAX)),
        });
        let not_enough = |available| OpsError::NotEnough { login: account.login.clone(), available };
        if self.live_if_loaded().is_some_and(|calls| calls.directory.account(account.id).is_none()) {
            self.account_changed(account.id).await?;
        }
        let live = self.live_if_loaded().and_then(|calls| calls.directory.account(account.id));
        if self.money_of(account).await?.balance.checked_add(amount).is_none() {
            return Err(OpsError::BadValue {
                field: "AMOUNT",
                reason: "is more than a wallet holds".to_owned(),
            });
        }
        if amount.is_negative() {
            if let Some(live) = &live {
                let taken = live.wallet.adjust(amount, Guarded::Yes);
                taken.map_err(|_| not_enough(live.wallet.snapshot().available))?;
            } else {
                let available = self.money_of(account).await?.available;
                if available.checked_add(amount).is_none_or(Money::is_negative) {
                    return Err(not_enough(available));
                }
            }
        }
        if let Err(error) = post_until_known(&ledger, posting).await {
            // Where it is not known whether it was written, what was taken stays taken until the next start.
            if amount.is_negative()
                && !matches!(error, LedgerError::Unavailable(_))
                && let (Some(live), Some(back)) = (&live, amount.checked_neg())
            {
                live.wallet.adjust(back, Guarded::No).map_err(OpsError::Wallet)?;
            }
            return Err(error.into());
        }
        match live {
            Some(live) => {
                if !amount.is_negative() {
                    live.wallet.adjust(amount, Guarded::No).map_err(OpsError::Wallet)?;
                }
                Ok(live.wallet.snapshot().balance)
            }
            None => Ok(book_balance(&self.store, account.id, self.currency()).await?),
        }
    }
}

/// Posts, and where the database went away in the middle asks again until it is known what became of it.
async fn post_until_known(ledger: &Ledger, posting: Posting) -> Result<(), LedgerError> {
    let started = tokio::time::Instant::now();
    loop {
        match ledger.post(posting.clone()).await {
            Ok(_) => return Ok(()),
            Err(LedgerError::Unavailable(_)) if started.elapsed() < OUTCOME_PATIENCE => {}
            Err(error) => return Err(error),
        }
    }
}
