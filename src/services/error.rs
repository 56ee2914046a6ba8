//! Errors of the shared services.

use std::path::PathBuf;

use super::installation::InstallationError;
use crate::control::client::ClientError;
use crate::control::folder::SocketError;
use crate::ledger::LedgerError;
use crate::ledger::spool::SpoolError;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// Why the shared services cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database cannot be used.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The key file cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The key file is not the one the database was used with.
    #[error("the key file {file} is not the one this database was used with")]
    OtherKeyFile {
        /// The file.
        file: String,
    },
    /// The wallets are in another currency than the configured one.
    #[error("the wallets of this database are in {currency}, money.currency is {configured}")]
    OtherCurrency {
        /// What they are in.
        currency: String,
        /// `money.currency`.
        configured: String,
    },
    /// The digests of this database hold another realm than the configured one.
    #[error("the SIP passwords of this database are for the realm {realm}, sip.realm is {configured}")]
    OtherRealm {
        /// What they are for.
        realm: String,
        /// `sip.realm`.
        configured: String,
    },
    /// A running server owns the wallets and does not answer.
    #[error(transparent)]
    Owner(#[from] ClientError),
    /// The command socket cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Another process owns the wallets.
    #[error("{node} owns the wallets ({address})")]
    Owned {
        /// Its node.
        node: String,
        /// Where it takes commands, or that it only runs one.
        address: String,
    },
    /// A server owns the wallets that cannot be reached from here.
    #[error(
        "the running server on {node} owns the wallets, and its command socket {path} is not on this machine: run the \
         command there"
    )]
    OwnedElsewhere {
        /// Its node.
        node: String,
        /// Its socket.
        path: String,
    },
    /// A server of this installation starts, ends or hangs: it is asked, and nothing is written behind its back.
    #[error("a server of this installation is starting or ending, or hangs: try again, or end it")]
    Starting,
    /// Another server of this installation runs.
    #[error("another server of this installation runs and owns {}", spool_dir.display())]
    Running {
        /// The spool's folder.
        spool_dir: PathBuf,
    },
    /// Another command of this installation keeps the ownership.
    #[error(
        "another command of this installation owns the wallets for more than {seconds} s: try again when it has ended"
    )]
    Busy {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The installation's lock files cannot be used.
    #[error("the installation cannot be locked: {0}")]
    Installation(#[from] InstallationError),
    /// The spool cannot be used.
    #[error("the spool of settlements cannot be used: {0}")]
    Spool(#[from] SpoolError),
    /// Ended calls lie in another folder than the configured one.
    #[error(
        "ledger.spool_dir is {configured}, but {records} ended calls that are not charged yet lie in {recorded}, the \
         folder so far: configure that one, or move its files to the other"
    )]
    OtherSpool {
        /// How many.
        records: usize,
        /// Where they are.
        recorded: String,
        /// Where they would be looked for.
        configured: String,
    },
    /// What the spool keeps cannot be written to the book.
    #[error("what the spool keeps cannot be written: {0}")]
    Drain(LedgerError),
    /// The catalogue cannot be loaded.
    #[error("the catalogue cannot be loaded: {0}")]
    Catalog(String),
}

impl ServiceError {
    /// The machine code.
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
