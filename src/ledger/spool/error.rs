//! The errors of the spool.

use std::{path::PathBuf, sync::Arc};

/// Reason why the spool cannot be opened or did not keep a record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: Arc<std::io::Error>,
    },
    /// Another process has the file open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a spool file.
    #[error("{} is not a spool of this program's", path.display())]
    NoSpool {
        /// The file.
        path: PathBuf,
    },
    /// The records in the file belong to another database.
    #[error("{} holds settlements of another database", path.display())]
    OtherBook {
        /// The file.
        path: PathBuf,
    },
    /// A complete record cannot be decoded: a newer program wrote it.
    #[error("{}: the record at byte {offset} cannot be read by this program", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Byte offset of the record.
        offset: usize,
    },
    /// The spool is full.
    #[error("it is full: {bytes} bytes wait for the book")]
    Full {
        /// Size limit in bytes.
        bytes: u64,
    },
    /// A single record exceeds the maximum length of a settlement.
    #[error("the settlement is too long")]
    TooLong,
    /// The spool was closed, or its thread has ended.
    #[error("the spool is closed")]
    Closed,
}
