//! The folder of the command socket: its permitted owners, and the lock that proves that its server lives.
//!
//! The server holds an exclusive lock on `SOCKET.lock` until its process ends, however it ends. A process that gets the
//! lock therefore knows that the server is dead, and of two that start at once only one listens. The lock file holds
//! the random name of the start that acquired it last: a file of another container at the same path holds a different
//! name and proves nothing.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control::address::{CommandAddress, boot_id};
use crate::secrets::{hex, random_bytes};

/// Maximum length of a socket's path in bytes: 108 with the terminating zero.
const MAX_PATH_BYTES: usize = 107;
/// How long a start waits for the lock: commands that check the server hold it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Wait between two attempts to lock.
const LOCK_AGAIN: Duration = Duration::from_millis(20);
/// Root's user id.
const ROOT: u32 = 0;

/// Reason why the command socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit into a socket's address, or names no file in a folder.
    #[error("internal.socket {path}: {reason}")]
    BadPath {
        /// The path.
        path: PathBuf,
        /// Description of the problem.
        reason: String,
    },
    /// The folder's path is not a folder, or untrusted users can access it.
    #[error("internal.socket: the folder {folder} {reason}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Description of the problem and its remedy.
        reason: String,
    },
    /// Another process listens on the socket.
    #[error("internal.socket: a running server owns {path}: stop it first")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("internal.socket: {path} cannot be used: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// Users, beside root, whose processes may be at either end of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    uid: u32,
}

impl Trusted {
    /// Trusts this process's own user.
    pub fn own() -> Self {
        Self { uid: rustix::process::geteuid().as_raw() }
    }

    /// Trusts the owner of the key file: the server's user can read it, and no other user except root.
    pub fn owner_of(key_file: &Path) -> Result<Self, SocketError> {
        let metadata = std::fs::metadata(key_file).map_err(|source| io_error(key_file, source))?;
        Ok(Self { uid: metadata.uid() })
    }

    /// Reports whether a process or folder of this user is trusted.
    pub const fn includes(self, uid: u32) -> bool {
        uid == self.uid || uid == ROOT
    }
}

/// A socket that accepts commands for as long as it exists.
#[derive(Debug)]
pub struct BoundSocket {
    listener: Option<UnixListener>,
    /// Its address, as the owner row records it.
    address: CommandAddress,
    /// Held until the process ends.
    _lock: File,
}

impl BoundSocket {
    /// Listens on `path`, in a folder of mode 0700 that is created if missing. Fails while another process listens.
    pub async fn bind(path: &Path, key_file: &Path) -> Result<Self, SocketError> {
        let path = std::path::absolute(path).map_err(|source| io_error(path, source))?;
        check_path(&path)?;
        let folder = folder_of(&path)?;
        let trusted = Trusted::owner_of(key_file)?;
        if let Err(error) = DirBuilder::new().mode(0o700).create(folder)
            && std::fs::symlink_metadata(folder).is_err()
        {
            return Err(io_error(folder, error));
        }
        check_folder(folder, trusted)?;
        let file = lock_file(&path);
        let lock = open_lock(&file).map_err(|source| io_error(&file, source))?;
        take_lock(&lock, &path).await?;
        let instance = hex(&random_bytes::<8>());
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path).map_err(|source| io_error(&path, source))?;
        // The folder keeps other users out; mode 0600 on the socket is a second barrier.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .and_then(|()| write_instance(&lock, &instance))
            .map_err(|source| io_error(&path, source))?;
        // The folder was checked by name: it must still be the same folder.
        check_folder(folder, trusted)?;
        let address = CommandAddress { boot: boot_id(), instance, path };
        Ok(Self { listener: Some(listener), address, _lock: lock })
    }

    /// Returns the listening end; `None` after the first call.
    pub fn listening(&mut self) -> Option<Listening> {
        let listener = self.listener.take()?;
        Some(Listening { listener, instance: self.address.instance.clone() })
    }

    /// Returns the address it listens on.
    pub const fn address(&self) -> &CommandAddress {
        &self.address
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        // A leftover socket file is harmless: the lock shows that nobody listens.
        let _ = std::fs::remove_file(&self.address.path);
    }
}

/// The listening end of a command socket.
#[derive(Debug)]
pub struct Listening {
    pub(crate) listener: UnixListener,
    pub(crate) instance: String,
}

/// State of the server at an address, determined without contacting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Its process lives: it holds its lock.
    Lives,
    /// Its process has ended.
    Dead,
    /// Not visible from here: another machine or container, or its folder was removed.
    NotHere,
}

/// Checks if the process of the server at this address lives.
pub(super) fn look(address: &CommandAddress, trusted: Trusted) -> Result<Sign, SocketError> {
    if address.boot != boot_id() {
        return Ok(Sign::NotHere);
    }
    let folder = folder_of(&address.path)?;
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Sign::NotHere),
        Err(error) => return Err(io_error(folder, error)),
        Ok(_) => check_folder(folder, trusted)?,
    }
    let file = lock_file(&address.path);
    let lock = match OpenOptions::new().read(true).open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Sign::NotHere),
        Err(error) => return Err(io_error(&file, error)),
    };
    if read_instance(&lock) != address.instance {
        return Ok(Sign::NotHere);
    }
    match lock.try_lock_shared() {
        Ok(()) => Ok(Sign::Dead),
        Err(TryLockError::WouldBlock) => Ok(Sign::Lives),
        Err(TryLockError::Error(error)) => Err(io_error(&file, error)),
    }
}

/// Checks the folder of a socket if it exists.
pub fn examine(path: &Path, key_file: &Path) -> Result<(), SocketError> {
    let path = std::path::absolute(path).map_err(|source| io_error(path, source))?;
    check_path(&path)?;
    let folder = folder_of(&path)?;
    if std::fs::symlink_metadata(folder).is_err() || !key_file.exists() {
        return Ok(());
    }
    check_folder(folder, Trusted::owner_of(key_file)?)
}

/// Refuses a folder that an untrusted user could write to.
fn check_folder(folder: &Path, trusted: Trusted) -> Result<(), SocketError> {
    let refused = |reason: String| SocketError::Folder { folder: folder.to_owned(), reason };
    let metadata = std::fs::symlink_metadata(folder).map_err(|source| io_error(folder, source))?;
    if metadata.is_symlink() {
        return Err(refused("is a symbolic link: name the folder itself".to_owned()));
    }
    if !metadata.is_dir() {
        return Err(refused("is no folder".to_owned()));
    }
    if !trusted.includes(metadata.uid()) {
        return Err(refused(format!(
            "belongs to user {}, who is neither root nor the owner of the key file (user {}): remove it or name another",
            metadata.uid(),
            trusted.uid
        )));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(refused(format!(
            "has mode {mode:o}, so others can get at the socket: run chmod 700 {}",
            folder.display()
        )));
    }
    Ok(())
}

fn check_path(path: &Path) -> Result<(), SocketError> {
    let bad = |reason: String| SocketError::BadPath { path: path.to_owned(), reason };
    let Some(text) = path.to_str() else { return Err(bad("must be UTF-8".to_owned())) };
    if text.len() > MAX_PATH_BYTES {
        return Err(bad(format!(
            "has {} bytes, and the address of a Unix socket holds {MAX_PATH_BYTES}: set internal.socket to a shorter \
             path",
            text.len()
        )));
    }
    Ok(())
}

fn folder_of(path: &Path) -> Result<&Path, SocketError> {
    let named = path.file_name().and(path.parent()).filter(|folder| folder.parent().is_some());
    named.ok_or_else(|| SocketError::BadPath {
        path: path.to_owned(),
        reason: "must name a file in a folder of its own".to_owned(),
    })
}

fn lock_file(path: &Path) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(".lock");
    PathBuf::from(file)
}

fn open_lock(file: &Path) -> std::io::Result<File> {
    // Not truncated: it names the process that holds the lock.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file)
}

async fn take_lock(lock: &File, path: &Path) -> Result<(), SocketError> {
    let started = tokio::time::Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(LOCK_AGAIN).await;
            }
            Err(TryLockError::WouldBlock) => return Err(SocketError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io_error(path, source)),
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            std::fs::remove_file(path).map_err(|source| io_error(path, source))
        }
        Ok(_) => Err(SocketError::BadPath {
            path: path.to_owned(),
            reason: "is there already and is no socket".to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path, error)),
    }
}

/// Reads the instance name in a lock file; empty if there is none yet.
fn read_instance(mut lock: &File) -> String {
    let mut text = String::new();
    // An unreadable file names no instance.
    match lock.rewind().and_then(|()| lock.take(64).read_to_string(&mut text)) {
        Ok(_) => text.trim().to_owned(),
        Err(_) => String::new(),
    }
}

fn write_instance(mut lock: &File, instance: &str) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(instance.as_bytes())
}

fn io_error(path: &Path, source: std::io::Error) -> SocketError {
    SocketError::Io { path: path.to_owned(), source }
}
