//! The owner of the accounts: one process at a time may admit calls and spend balances.
//!
//! An epoch is a number that grows with every change of owner. A write that spends carries the epoch it was decided
//! under and is refused when that is over ([`Tx::require_epoch`]): the database decides, not a belief about a lease.
//! A lease is measured by the database's clock alone; no caller's clock takes part.

use jiff::{SignedDuration, Timestamp};

use super::{Session, Side, Store, StoreError, Tx, from_micros, on, posting::Fence, row};

/// All account trees: they have one owner together until they are shared out among nodes.
const ALL_TREES: i64 = 0;

const RELEASE: &str = include_str!("../../sql/queries/owner_release.sql");
const REQUIRE: &str = include_str!("../../sql/queries/owner_require.sql");

/// The statements that read the database's clock, which has no name that both know.
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

/// A process that wants to own the accounts.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The name of its machine, for people to read.
    pub node: &'a str,
    /// The address of its internal listener; empty for a command.
    pub address: &'a str,
    /// The identity of the lock it holds: no other process of that identity runs.
    pub installation: &'a str,
}

/// The present or last owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its epoch.
    pub epoch: i64,
    /// The name of its machine.
    pub node: String,
    /// The address of its internal listener; empty for a command.
    pub address: String,
    /// The end of its lease by the database's clock, unless it renews.
    pub lease_until: Timestamp,
    /// The time left of it; not positive where it is over.
    pub lease_left: SignedDuration,
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
    /// Takes the ownership if it is free, its lease is over, or its owner held the very lock that the candidate holds
    /// now, and begins a new epoch.
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

    /// Keeps the ownership for longer. An error of [`StoreError::StaleEpoch`] means that it is lost.
    pub async fn renew_ownership(&self, epoch: i64, lease: SignedDuration) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let renew = Texts::of(&mut tx).renew;
        let rows = on!(&mut tx, c => sqlx::query(renew).bind(ALL_TREES).bind(epoch).bind(micros(lease)).execute(c).await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }

    /// As [`Store::renew_ownership`], by a new connection: whether the database takes it, whatever the pool's state is.
    pub async fn renew_ownership_apart(&self, epoch: i64, lease: SignedDuration) -> Result<(), StoreError> {
        let apart = self.reconnected().await?;
        let renewed = apart.renew_ownership(epoch, lease).await;
        apart.close().await;
        renewed
    }

    /// Gives the ownership up, so that the next process need not wait for the lease. Nothing happens if it is lost already.
    pub async fn release_ownership(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(RELEASE).bind(ALL_TREES).bind(epoch).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// The process that owns, or did without giving it up: its lease may be over.
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
    /// Refuses to go on unless `epoch` still owns, and keeps others from taking over until this transaction ends.
    pub async fn require_epoch(&mut self, epoch: i64) -> Result<(), StoreError> {
        // An update, because only that takes the row's lock in both dialects.
        let rows = on!(self, c => sqlx::query(REQUIRE).bind(ALL_TREES).bind(epoch).execute(c).await
            .map(|done| done.rows_affected()))?;
        if rows == 1 { Ok(()) } else { Err(StoreError::StaleEpoch { epoch }) }
    }
}

impl Tx {
    /// Whether a write under this fence may be made; as [`Tx::require_epoch`], without an error where it may not.
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
