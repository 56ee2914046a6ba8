//! The owner of the accounts: one process at a time may admit calls and spend balances.
//!
//! An epoch is a number that grows with every change of owner. A write that spends carries the epoch in which it was
//! decided and is refused when that epoch is over ([`Tx::require_epoch`]): the database decides, not a process's belief
//! about its lease. A lease is measured by the database's clock alone; no caller's clock is involved.

use jiff::{SignedDuration, Timestamp};

use super::{Session, Side, Store, StoreError, Tx, from_micros, on, posting::Fence, row};

/// All account trees: they share one owner until they are distributed among nodes.
const ALL_TREES: i64 = 0;

const RELEASE: &str = include_str!("../../sql/queries/owner_release.sql");
const REQUIRE: &str = include_str!("../../sql/queries/owner_require.sql");

/// The statements that read the database's clock, which has a different name in each dialect.
struct Texts {
    acquire: &'static str,
    renew: &'static str,
    read: &'static str,
}

impl Texts {
    fn of(session: &mut impl Session) -> Self {
        match session.side() {
            Side::Sqlite(_) => Self {
                acquire: include_str!("../../sql/queries/owner_acquire.sqlite.sql"),
                renew: include_str!("../../sql/queries/owner_renew.sqlite.sql"),
                read: include_str!("../../sql/queries/owner_read.sqlite.sql"),
            },
            Side::Postgres(_) => Self {
                acquire: include_str!("../../sql/queries/owner_acquire.postgres.sql"),
                renew: include_str!("../../sql/queries/owner_renew.postgres.sql"),
                read: include_str!("../../sql/queries/owner_read.postgres.sql"),
            },
        }
    }
}

row! {
    struct OwnerRow {
        epoch: i64,
        node: String,
        address: String,
        lease_until: i64,
        lease_left: i64,
    }
}

/// A process that requests the ownership.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Name of its machine, for people.
    pub node: &'a str,
    /// Address of its internal listener; empty for a command.
    pub address: &'a str,
    /// Identity of the lock it holds: no other process with that identity is running.
    pub installation: &'a str,
}

/// The current or last owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Epoch of the owner.
    pub epoch: i64,
    /// Name of its machine.
    pub node: String,
    /// Address of its internal listener; empty for a command.
    pub address: String,
    /// End of its lease by the database's clock, unless it renews.
    pub lease_until: Timestamp,
    /// Remaining time of the lease; zero or negative if it has ended.
    pub lease_left: SignedDuration,
}

/// Result of a request for the ownership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The process is the owner, in this new epoch.
    Owned {
        /// Epoch that every write that spends must carry.
        epoch: i64,
    },
    /// Another process is the owner.
    HeldBy(Owner),
}

impl Store {
    /// Acquires the ownership, and begins a new epoch, if there is no owner, its lease is over, or the owner held the
    /// very lock that the candidate holds now.
    pub async fn acquire_ownership(
        &self,
        candidate: Candidate<'_>,
        lease: SignedDuration,
    ) -> Result<Acquired, StoreError> {
        let mut tx = self.begin().await?;
        let Texts { acquire, read, .. } = Texts::of(&mut tx);
        let Candidate { node, address, installation } = candidate;
        let won: Option<(i64,)> = on!(&mut tx, c => sqlx::query_as(acquire).bind(ALL_TREES).bind(node).bind(address)
            .bind(installation).bind(micros(lease)).fetch_optional(c).await)?;
        let acquired = if let Some((epoch,)) = won {
            Acquired::Owned { epoch }
        } else {
            let row: OwnerRow = on!(&mut tx, c => sqlx::query_as(read).bind(ALL_TREES).fetch_one(c).await)?;
            Acquired::HeldBy(row.into())
        };
        tx.commit().await?;
        Ok(acquired)
    }

    /// Extends the lease. [`StoreError::StaleEpoch`] means that the ownership is lost.
    pub async fn renew_ownership(&self, epoch: i64, lease: SignedDuration) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let renew = Texts::of(&mut tx).renew;
        let rows = on!(&mut tx, c => sqlx::query(renew).bind(ALL_TREES).bind(epoch).bind(micros(lease)).execute(c).await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }

    /// Like [`Store::renew_ownership`], over a new connection: independent of the state of the pool.
    pub async fn renew_ownership_apart(&self, epoch: i64, lease: SignedDuration) -> Result<(), StoreError> {
        let apart = self.reconnected().await?;
        let renewed = apart.renew_ownership(epoch, lease).await;
        apart.close().await;
        renewed
    }

    /// Releases the ownership, so that the next process need not wait for the lease. Does nothing if it is already
    /// lost.
    pub async fn release_ownership(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(RELEASE).bind(ALL_TREES).bind(epoch).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Reads the current owner, or the last one that did not release the ownership: its lease may be over.
    pub async fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let mut reader = self.reader().await?;
        let read = Texts::of(&mut reader).read;
        let row: Option<OwnerRow> =
            on!(&mut reader, c => sqlx::query_as(read).bind(ALL_TREES).fetch_optional(c).await)?;
        Ok(row.map(Owner::from))
    }
}

fn micros(lease: SignedDuration) -> i64 {
    i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)
}

impl Tx {
    /// Fails unless `epoch` is the current one, and blocks a takeover until this transaction ends.
    pub async fn require_epoch(&mut self, epoch: i64) -> Result<(), StoreError> {
        // An update, because only an update locks the row in both dialects.
        let rows = on!(self, c => sqlx::query(REQUIRE).bind(ALL_TREES).bind(epoch).execute(c).await
            .map(|done| done.rows_affected()))?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }
}

impl Tx {
    /// Reports whether a write under this fence is permitted; like [`Tx::require_epoch`], but without an error.
    pub(super) async fn allows(&mut self, fence: Fence) -> Result<bool, StoreError> {
        let Fence::Owner { epoch } = fence else { return Ok(true) };
        match self.require_epoch(epoch).await {
            Ok(()) => Ok(true),
            Err(StoreError::StaleEpoch { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl From<OwnerRow> for Owner {
    fn from(row: OwnerRow) -> Self {
        Self {
            epoch: row.epoch,
            node: row.node,
            address: row.address,
            lease_until: from_micros(row.lease_until),
            lease_left: SignedDuration::from_micros(row.lease_left),
        }
    }
}
