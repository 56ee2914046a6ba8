//! Who owns the accounts: one process at a time may admit calls and spend balances.
//!
//! An epoch is a number that grows with every change of owner. A write that spends carries the epoch it was decided
//! under and is refused when that is over ([`Tx::require_epoch`]): the database decides, not a belief about a lease.

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

/// All account trees: they have one owner together until they are shared out among nodes.
const ALL_TREES: i64 = 0;

const ACQUIRE: &str = include_str!("../../sql/queries/owner_acquire.sql");
const RENEW: &str = include_str!("../../sql/queries/owner_renew.sql");
const RELEASE: &str = include_str!("../../sql/queries/owner_release.sql");
const READ: &str = include_str!("../../sql/queries/owner_read.sql");
const REQUIRE: &str = include_str!("../../sql/queries/owner_require.sql");

row! {
    struct OwnerRow {
        epoch: i64,
        node: String,
        address: String,
        lease_until: i64,
    }
}

/// The present or last owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its epoch.
    pub epoch: i64,
    /// Its name.
    pub node: String,
    /// Where its internal listener is reached.
    pub address: String,
    /// When it ceases to own, unless it renews.
    pub lease_until: Timestamp,
}

/// The answer to a process that wants to own the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It does, in this new epoch.
    Owned {
        /// To be carried by everything that spends.
        epoch: i64,
    },
    /// Another process does.
    HeldBy(Owner),
}

impl Store {
    /// Takes the ownership if it is free, over, or held under the same node's name (that process has ended: a node
    /// runs one), and begins a new epoch.
    pub async fn acquire_ownership(
        &self,
        node: &str,
        address: &str,
        now: Timestamp,
        lease: SignedDuration,
    ) -> Result<Acquired, StoreError> {
        let until = to_micros(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let mut tx = self.begin().await?;
        let won: Option<(i64,)> = on!(&mut tx, c => sqlx::query_as(ACQUIRE).bind(ALL_TREES).bind(node).bind(address)
            .bind(until).bind(to_micros(now)).fetch_optional(c).await)?;
        let acquired = if let Some((epoch,)) = won {
            Acquired::Owned { epoch }
        } else {
            let row: OwnerRow = on!(&mut tx, c => sqlx::query_as(READ).bind(ALL_TREES).fetch_one(c).await)?;
            Acquired::HeldBy(row.into())
        };
        tx.commit().await?;
        Ok(acquired)
    }

    /// Keeps the ownership for longer. An error of [`StoreError::StaleEpoch`] means that it is lost.
    pub async fn renew_ownership(
        &self,
        epoch: i64,
        now: Timestamp,
        lease: SignedDuration,
    ) -> Result<(), StoreError> {
        let until = to_micros(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
        let mut tx = self.begin().await?;
        let rows = on!(&mut tx, c => sqlx::query(RENEW).bind(ALL_TREES).bind(epoch).bind(until).execute(c).await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }

    /// Gives the ownership up, so that the next process need not wait for the lease. Nothing happens if it is lost already.
    pub async fn release_ownership(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(RELEASE).bind(ALL_TREES).bind(epoch).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// The present owner, if its lease has not ended by `now`.
    pub async fn owner(&self, now: Timestamp) -> Result<Option<Owner>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<OwnerRow> =
            on!(&mut reader, c => sqlx::query_as(READ).bind(ALL_TREES).fetch_optional(c).await)?;
        Ok(row.map(Owner::from).filter(|owner| owner.lease_until > now))
    }
}

impl Tx {
    /// Refuses to go on unless `epoch` still owns, and keeps others from taking over until this transaction ends.
    pub async fn require_epoch(&mut self, epoch: i64) -> Result<(), StoreError> {
        // An update, because only that takes the row's lock in both dialects.
        let rows = on!(self, c => sqlx::query(REQUIRE).bind(ALL_TREES).bind(epoch).execute(c).await
            .map(|done| done.rows_affected()))?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }
}

impl From<OwnerRow> for Owner {
    fn from(row: OwnerRow) -> Self {
        Self {
            epoch: row.epoch,
            node: row.node,
            address: row.address,
            lease_until: from_micros(row.lease_until),
        }
    }
}
