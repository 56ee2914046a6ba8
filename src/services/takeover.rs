//! Acquisition of the ownership: the installation's locks first, then the database's lease.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::ServiceError;
use super::installation::{Installation, Locks};
use super::owner_link::owned;
use super::ownership::LEASE;
use super::shared::Services;
use crate::control::folder::BoundSocket;
use crate::store::owner::{Acquired, Candidate, Owner};
use crate::store::{StoreError, within};

/// Maximum time a server waits for another one of its installation to end. A command that only tests the lock holds it
/// briefly.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);
/// Maximum time a server waits for commands that already own the wallets. No command begins while a server waits.
const COMMANDS_PATIENCE: Duration = Duration::from_secs(30);
/// Maximum time to wait for the lease of an owner elsewhere: longer than a lease lasts.
const LEASE_PATIENCE: Duration = Duration::from_secs(8);
/// Interval between tries of locks and leases.
const TRY_EVERY: Duration = Duration::from_millis(25);
/// Maximum time to release the ownership: a lease expires anyway.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);

/// Kind of process that acquires the ownership.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Command,
}

impl Services {
    /// Locks the installation for a server until it is closed. Commands that already write end first; later ones ask
    /// the server.
    pub async fn lock_for_server(&self) -> Result<(), ServiceError> {
        // Check before the directory is created or a socket is bound.
        self.check_spool_dir().await?;
        let installation = self.installation();
        let began = Instant::now();
        let server = loop {
            match installation.try_lock_server()? {
                Some(lock) => break lock,
                None if began.elapsed() < SERVER_PATIENCE => sleep(TRY_EVERY).await,
                None => return Err(ServiceError::Running { spool_dir: self.config.spool_dir() }),
            }
        };
        self.locks().server = Some(server);
        self.lock_owner(&installation, Role::Server).await
    }

    /// Locks the installation for a command that writes. Refused while a server of it runs, starts or ends.
    pub(super) async fn lock_for_command(&self) -> Result<(), ServiceError> {
        self.check_spool_dir().await?;
        self.lock_owner(&self.installation(), Role::Command).await
    }

    /// Reports whether a server of this installation runs, starts or ends.
    pub fn has_server(&self) -> Result<bool, ServiceError> {
        Ok(self.installation().has_server()?)
    }

    fn installation(&self) -> Installation {
        Installation::in_dir(&self.config.spool_dir())
    }

    async fn lock_owner(&self, installation: &Installation, role: Role) -> Result<(), ServiceError> {
        let began = Instant::now();
        loop {
            // Tested at each try: a command that waits for another one gives way to a server.
            if role == Role::Command && installation.has_server()? {
                return Err(ServiceError::Starting);
            }
            if let Some(lock) = installation.try_lock_owner()? {
                self.locks().owner = Some(lock);
                return Ok(());
            }
            if began.elapsed() >= COMMANDS_PATIENCE {
                return Err(ServiceError::Busy { seconds: COMMANDS_PATIENCE.as_secs() });
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// Acquires the ownership for a process that has locked its installation; a server passes the `socket` at which it
    /// can be reached. Refused while another process renews its lease; an unrenewed lease is waited for.
    pub async fn take_ownership(&self, socket: Option<&BoundSocket>) -> Result<i64, ServiceError> {
        let installation = self.locks().owner.as_ref().map(|lock| lock.identity().to_owned());
        let installation = installation.ok_or(ServiceError::Starting)?;
        let node = node_name();
        let address = socket.map(|socket| socket.address().to_string()).unwrap_or_default();
        let candidate = Candidate { node: &node, address: &address, installation: &installation };
        let began = Instant::now();
        let mut first: Option<Owner> = None;
        loop {
            let asked = self.clock.moment();
            let owner = match self.store.acquire_ownership(candidate, LEASE).await? {
                Acquired::Owned { epoch } => {
                    self.owns(epoch, asked);
                    return Ok(epoch);
                }
                Acquired::HeldBy(owner) => owner,
            };
            let before = first.get_or_insert_with(|| owner.clone());
            let renews = owner.epoch == before.epoch && owner.lease_until > before.lease_until;
            if renews || owner.lease_left > LEASE || began.elapsed() >= LEASE_PATIENCE {
                return Err(owned(&owner));
            }
            if owner.epoch != before.epoch {
                first = Some(owner);
            }
            sleep(TRY_EVERY * 4).await;
        }
    }

    /// Releases the ownership and its locks.
    pub(super) async fn give_up_ownership(&self) {
        let epoch = self.ownership.epoch();
        if epoch != 0
            && let Err(error) = within(RELEASE_PATIENCE, self.store.release_ownership(epoch)).await
            && !matches!(error, StoreError::StaleEpoch { .. })
        {
            tracing::warn!(%error, "the ownership ends with its lease");
        }
        *self.locks() = Locks::default();
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, Locks> {
        // Single assignments: a panicking holder left it consistent.
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name of this machine, for display. It proves nothing: two machines may share it.
fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "tollgate".to_owned() } else { name.to_owned() }
}
