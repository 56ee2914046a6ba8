//! The errors of the spool.

use std::{path::PathBuf, sync::Arc};

/// The reason why the spool cannot be opened, or did not keep a record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a spool of this program's", path.display())]
    NoSpool {
        /// The file.
        path: PathBuf,
    },
    /// What waits in it belongs to another database.
    #[error("{} holds settlements of another database", path.display())]
    OtherBook {
        /// The file.
        path: PathBuf,
    },
    /// A whole record cannot be understood: a newer program wrote it.
    #[error("{}: the record at byte {offset} cannot be read by this program", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: usize,
    },
    /// Nothing more goes in.
    #[error("it is full: {bytes} bytes wait for the book")]
    Full {
        /// Its bound.
        bytes: u64,
    },
    /// One record is longer than any settlement.
    #[error("the settlement is too long")]
    TooLong,
    /// It was closed, or its thread has ended.
    #[error("the spool is closed")]
    Closed,
}
