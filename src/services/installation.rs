//! The locks of an installation: the proof that no other process of it runs.
//!
//! An installation is a spool directory. A process that owns the wallets, a server or a command, holds `owner.lock` in
//! it until it ends. The kernel releases the lock with the process, so its holder can be sure that an earlier process
//! of this installation has ended, and need not wait for its lease. A server holds `server.lock` beside it from its
//! start: a command that finds it held asks the server, and never acquires the ownership before it.
//!
//! The proof is the lock, and the identity in the database names that very file: a random id written into it, the boot
//! id of the kernel that keeps the lock, the file's device and inode number. A copy of the directory, another machine
//! of the same name or a container beside this one has another identity, and waits for the lease.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::control::address::boot_id;
use crate::secrets::random_below;

/// Held by a server from its start to its end.
const SERVER: &str = "server.lock";
/// Held by the process that owns the wallets.
const OWNER: &str = "owner.lock";
/// Length of the random id in the lock file, in characters.
const ID_LENGTH: usize = 32;

/// A lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct InstallationError {
    /// The file or directory.
    path: PathBuf,
    /// Error of the operating system.
    source: io::Error,
}

/// The lock of a server. Dropping it releases it.
#[derive(Debug)]
pub(super) struct ServerLock {
    _file: File,
}

/// The lock of a process that owns the wallets. Dropping it releases it.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _file: File,
    identity: String,
}

/// The locks of this process's installation that it holds.
#[derive(Debug, Default)]
pub(super) struct Locks {
    pub(super) server: Option<ServerLock>,
    pub(super) owner: Option<OwnerLock>,
}

/// The lock files in a directory.
#[derive(Debug)]
pub(super) struct Installation {
    dir: PathBuf,
}

impl Installation {
    /// Uses the lock files in this directory.
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Locks the installation for a server; `None` while another server holds the lock, or a command tests it.
    pub(super) fn try_lock_server(&self) -> Result<Option<ServerLock>, InstallationError> {
        let locked = self.try_lock(SERVER)?;
        Ok(locked.map(|file| ServerLock { _file: file }))
    }

    /// Reports whether a server of this installation runs, starts or ends. Creates no files if there is no installation
    /// yet.
    pub(super) fn has_server(&self) -> Result<bool, InstallationError> {
        let file = match File::open(self.dir.join(SERVER)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(self.error(SERVER, source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(self.error(SERVER, source)),
        }
    }

    /// Locks the installation for a process about to own it; `None` while another process does.
    pub(super) fn try_lock_owner(&self) -> Result<Option<OwnerLock>, InstallationError> {
        let Some(file) = self.try_lock(OWNER)? else { return Ok(None) };
        let identity = identity(&file).map_err(|source| self.error(OWNER, source))?;
        Ok(Some(OwnerLock { _file: file, identity }))
    }

    /// Locks a file, which is created with its directory if missing; `None` while another process holds it.
    fn try_lock(&self, name: &str) -> Result<Option<File>, InstallationError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|source| InstallationError { path: self.dir.clone(), source })?;
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = opened.open(self.dir.join(name)).map_err(|source| self.error(name, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(self.error(name, source)),
        }
    }

    fn error(&self, name: &str, source: io::Error) -> InstallationError {
        InstallationError { path: self.dir.join(name), source }
    }
}

impl OwnerLock {
    /// Returns the name under which the database records the holder of this very lock.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }
}

/// Returns the identity of a locked file; unique to this process if the kernel has no boot id.
fn identity(mut file: &File) -> io::Result<String> {
    let mut id = String::new();
    file.read_to_string(&mut id)?;
    if id.len() != ID_LENGTH {
        id = format!("{:016x}{:016x}", random_below(u64::MAX), random_below(u64::MAX));
        file.set_len(0)?;
        file.write_all_at(id.as_bytes(), 0)?;
        file.sync_all()?;
    }
    let boot = match boot_id() {
        none if none.is_empty() => format!("unknown-{:016x}", random_below(u64::MAX)),
        boot => boot,
    };
    let of = file.metadata()?;
    Ok(format!("{id} {boot} {:x}:{}", of.dev(), of.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_owners_lock_and_the_next_has_the_same_identity() {
        let dir = tempfile::tempdir().unwrap();
        let installation = Installation::in_dir(&dir.path().join("spool"));
        let held = installation.try_lock_owner().unwrap().unwrap();
        assert!(installation.try_lock_owner().unwrap().is_none());
        let identity = held.identity().to_owned();
        drop(held);
        assert_eq!(installation.try_lock_owner().unwrap().unwrap().identity(), identity);
    }

    #[test]
    fn a_copied_folder_has_another_identity() {
        let dir = tempfile::tempdir().unwrap();
        let first = Installation::in_dir(&dir.path().join("first"));
        let held = first.try_lock_owner().unwrap().unwrap();
        let copy = Installation::in_dir(&dir.path().join("copy"));
        std::fs::create_dir(dir.path().join("copy")).unwrap();
        std::fs::copy(dir.path().join("first").join(OWNER), dir.path().join("copy").join(OWNER)).unwrap();
        assert_ne!(copy.try_lock_owner().unwrap().unwrap().identity(), held.identity());
    }

    #[test]
    fn a_command_sees_that_a_server_is_there_and_no_other_server_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let installation = Installation::in_dir(dir.path());
        assert!(!installation.has_server().unwrap());
        let server = installation.try_lock_server().unwrap().unwrap();
        assert!(installation.has_server().unwrap());
        assert!(installation.try_lock_server().unwrap().is_none());
        drop(server);
        assert!(!installation.has_server().unwrap());
    }
}
