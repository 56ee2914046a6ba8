//! Errors of the shared services.

use std::path::PathBuf;

use super::installation::InstallationError;
use crate::control::client::ClientError;
use crate::control::folder::SocketError;
use crate::ledger::LedgerError;
use crate::ledger::spool::SpoolError;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// Reasons why the shared services cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database cannot be used.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The key file cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The key file is not the one that the database was used with.
    #[error("the key file {file} is not the one this database was used with")]
    OtherKeyFile {
        /// The file.
        file: String,
    },
    /// The wallets are in a currency other than the configured one.
    #[error("the wallets of this database are in {currency}, money.currency is {configured}")]
    OtherCurrency {
        /// Currency of the wallets.
        currency: String,
        /// `money.currency`.
        configured: String,
    },
    /// The digests of this database contain a realm other than the configured one.
    #[error("the SIP passwords of this database are for the realm {realm}, sip.realm is {configured}")]
    OtherRealm {
        /// Realm of the digests.
        realm: String,
        /// `sip.realm`.
        configured: String,
    },
    /// A running server owns the wallets and does not answer.
    #[error(transparent)]
    Owner(#[from] ClientError),
    /// The command socket cannot be opened for listening.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Another process owns the wallets.
    #[error("{node} owns the wallets ({address})")]
    Owned {
        /// Name of the owner's node.
        node: String,
        /// Address of its command socket, or a text saying that it only runs one command.
        address: String,
    },
    /// A server owns the wallets that cannot be reached from this machine.
    #[error(
        "the running server on {node} owns the wallets, and its command socket {path} is not on this machine: run the \
         command there"
    )]
    OwnedElsewhere {
        /// Name of the server's node.
        node: String,
        /// Path of its socket.
        path: String,
    },
    /// A server of this installation starts, ends or hangs. Commands ask it and never write around it.
    #[error("a server of this installation is starting or ending, or hangs: try again, or end it")]
    Starting,
    /// Another server of this installation is running.
    #[error("another server of this installation runs and owns {}", spool_dir.display())]
    Running {
        /// The spool directory.
        spool_dir: PathBuf,
    },
    /// Another command of this installation holds the ownership.
    #[error(
        "another command of this installation owns the wallets for more than {seconds} s: try again when it has ended"
    )]
    Busy {
        /// Time waited, in seconds.
        seconds: u64,
    },
    /// The installation's lock files cannot be used.
    #[error("the installation cannot be locked: {0}")]
    Installation(#[from] InstallationError),
    /// The spool cannot be used.
    #[error("the spool of settlements cannot be used: {0}")]
    Spool(#[from] SpoolError),
    /// Ended calls are in a directory other than the configured one.
    #[error(
        "ledger.spool_dir is {configured}, but {records} ended calls that are not charged yet lie in {recorded}, the \
         folder so far: configure that one, or move its files to the other"
    )]
    OtherSpool {
        /// Number of ended calls.
        records: usize,
        /// Directory that contains them.
        recorded: String,
        /// Configured directory.
        configured: String,
    },
    /// The contents of the spool cannot be written to the ledger.
    #[error("what the spool keeps cannot be written: {0}")]
    Drain(LedgerError),
    /// The catalogue cannot be loaded.
    #[error("the catalogue cannot be loaded: {0}")]
    Catalog(String),
}

impl ServiceError {
    /// Returns the machine code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Catalog(_) | Self::Drain(_) => "database",
            Self::Spool(_) | Self::OtherSpool { .. } | Self::Installation(_) => "spool",
            Self::Secrets(_) | Self::OtherKeyFile { .. } => "key_file",
            Self::OtherCurrency { .. } | Self::OtherRealm { .. } => "bad_config",
            Self::Owner(_)
            | Self::Socket(_)
            | Self::Owned { .. }
            | Self::OwnedElsewhere { .. }
            | Self::Running { .. }
            | Self::Busy { .. } => "owner",
            Self::Starting => "starting",
        }
    }
}
