//! Balances: the sum of an account's entries, from its last checkpoint on.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Head, Reserved, Session, Store, StoreError, Tx, head::read_head, on, row, to_micros};

/// Divisor that splits sums in SQL into two parts that cannot overflow there; they are combined here.
const NANOS_PER_UNIT: i128 = 1_000_000_000;

const ACCOUNT: &str = include_str!("../../sql/queries/balance_account.sql");
const ALL: &str = include_str!("../../sql/queries/balance_all.sql");
const DELTAS: &str = include_str!("../../sql/queries/checkpoint_deltas.sql");
const SAVE: &str = include_str!("../../sql/queries/checkpoint_save.sql");
const MOVE_HEAD: &str = include_str!("../../sql/queries/checkpoint_move_head.sql");

row! {
    /// A sum per account and currency, split into two parts that cannot overflow.
    struct Parts {
        account_id: i64,
        currency: String,
        units: i64,
        nanos: i64,
    }
}

/// Balance of an account in a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Id of the account.
    pub account_id: i64,
    /// Currency code.
    pub currency: String,
    /// Balance in nano-units; an internal account sums many wallets, so it may not fit a [`Money`].
    pub nanos: i128,
}

impl Balance {
    /// Returns the balance of a wallet, or `None` where it exceeds the range of a wallet.
    pub fn money(&self) -> Option<Money> {
        i64::try_from(self.nanos).ok().map(Money::from_nanos)
    }
}

impl From<Parts> for Balance {
    fn from(parts: Parts) -> Self {
        Self { nanos: parts.nanos(), account_id: parts.account_id, currency: parts.currency }
    }
}

impl Parts {
    fn nanos(&self) -> i128 {
        i128::from(self.units) * NANOS_PER_UNIT + i128::from(self.nanos)
    }
}

impl Store {
    /// Reads an account's balance in a currency; an account without entries has zero.
    pub async fn balance(&self, account_id: i64, currency: &str) -> Result<Balance, StoreError> {
        let mut reader = self.reader().await?;
        let parts: Parts = on!(&mut reader, c => sqlx::query_as(ACCOUNT).bind(account_id).bind(currency).fetch_one(c).await)?;
        Ok(parts.into())
    }

    /// Reads the current balances of all accounts, for the start of a process. The cost depends on the number of
    /// accounts and of entries since the last checkpoint, not on the history.
    pub async fn balances(&self) -> Result<Vec<Balance>, StoreError> {
        all_balances(&mut self.reader().await?).await
    }

    /// Moves every account's checkpoint up to the newest entry, and returns that entry's id.
    ///
    /// Locks the counters' row while it sums the entries since the last checkpoint.
    pub async fn write_checkpoint(&self, at: Timestamp) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        let Head { entry_id, checkpoint_entry, .. } = read_head(&mut tx).await?;
        let deltas: Vec<Parts> = on!(&mut tx, c => sqlx::query_as(DELTAS).bind(checkpoint_entry).bind(entry_id).fetch_all(c).await)?;
        for delta in &deltas {
            save(&mut tx, delta, entry_id, to_micros(at)).await?;
        }
        on!(&mut tx, c => sqlx::query(MOVE_HEAD).bind(entry_id).execute(c).await.map(drop))?;
        tx.commit().await?;
        Ok(entry_id)
    }
}

/// `delta` is already the account's new sum: the query adds its last checkpoint.
async fn save(tx: &mut Tx, sum: &Parts, entry_id: i64, at: i64) -> Result<(), StoreError> {
    let overflow =
        |_| StoreError::Inconsistent { table: "checkpoints", reason: "a balance out of range".to_owned() };
    let nanos = sum.nanos();
    let units = i64::try_from(nanos / NANOS_PER_UNIT).map_err(overflow)?;
    let rest = i64::try_from(nanos % NANOS_PER_UNIT).map_err(overflow)?;
    on!(tx, c => sqlx::query(SAVE).bind(sum.account_id).bind(&sum.currency).bind(entry_id).bind(units).bind(rest)
        .bind(at).execute(c).await.map(drop))?;
    Ok(())
}

/// Reads the balances of all accounts as this session sees them.
pub(super) async fn all_balances(session: &mut impl Session) -> Result<Vec<Balance>, StoreError> {
    let parts: Vec<Parts> = on!(session, c => sqlx::query_as(ALL).fetch_all(c).await)?;
    Ok(parts.into_iter().map(Balance::from).collect())
}
