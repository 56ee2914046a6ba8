//! Taking the ownership: the installation's locks first, then the database's lease.

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

/// How long a server waits for another one of its installation to end: a command that looks takes no time.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);
/// How long the commands are waited for that own already. None begins while a server waits.
const COMMANDS_PATIENCE: Duration = Duration::from_secs(30);
/// How long the lease of an owner elsewhere is waited for: longer than it lasts.
const LEASE_PATIENCE: Duration = Duration::from_secs(8);
/// How often locks and leases are tried.
const TRY_EVERY: Duration = Duration::from_millis(25);
/// How long giving the ownership up may take: a lease ends by itself.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);

/// The kind of process that wants to own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Command,
}

impl Services {
    /// Locks the installation for a server, until it is closed. Commands that write already end first; those that come
    /// afterwards ask the server.
    pub async fn lock_for_server(&self) -> Result<(), ServiceError> {
        // Before the folder is made or anything is bound.
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

    /// Whether a server of this installation runs, starts or ends.
    pub fn has_server(&self) -> Result<bool, ServiceError> {
        Ok(self.installation().has_server()?)
    }

    fn installation(&self) -> Installation {
        Installation::in_dir(&self.config.spool_dir())
    }

    async fn lock_owner(&self, installation: &Installation, role: Role) -> Result<(), ServiceError> {
        let began = Instant::now();
        loop {
            // Looked at each time: a command that waits for another one gives way to a server.
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

    /// Takes the ownership, to be reached at `socket` by a server, for a process that has locked its installation. Refused while
    /// another process renews its lease; one that does not is waited for.
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

    /// Gives the ownership up, and the locks with it.
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
        // Single assignments: whoever panicked left it whole.
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of this machine, for people to read. It proves nothing: two machines may have the same.
fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "tollgate".to_owned() } else { name.to_owned() }
}
