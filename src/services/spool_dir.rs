//! The spool directory. The database records it, so that a start from another working directory, or with another
//! configuration, leaves no ended call behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ServiceError;
use crate::config::Config;
use crate::ledger::spool::{SpoolError, left_in};
use crate::store::{Store, StoreError};

/// Name of the database fact that records the directory.
const FACT: &str = "spool_dir";

/// The configured directory, by its absolute path.
pub(super) struct SpoolDir {
    pub(super) path: PathBuf,
    /// True if the database records another directory, or none.
    is_news: bool,
}

impl SpoolDir {
    /// Finds the configured directory; fails if the one that the database records still holds ended calls of `book`.
    pub(super) async fn find(config: &Config, store: &Store, book: &str) -> Result<Self, ServiceError> {
        let path = config.spool_dir();
        let path =
            std::path::absolute(&path).map_err(|source| SpoolError::Io { path, source: Arc::new(source) })?;
        let configured = path.display().to_string();
        match store.meta(FACT).await? {
            None => {}
            Some(recorded) if recorded == configured => return Ok(Self { path, is_news: false }),
            Some(recorded) if is_one_folder(Path::new(&recorded), &path) => {}
            Some(recorded) => match left_in(Path::new(&recorded), book)? {
                Some(0) => {}
                Some(records) => return Err(ServiceError::OtherSpool { records, recorded, configured }),
                // The directory is most likely on another machine, which finds its contents when it serves again.
                None => tracing::warn!(
                    spool.before = %recorded,
                    spool.now = %configured,
                    "the spool's folder so far cannot be read from here: ended calls that wait there are charged when \
                     a server starts with it"
                ),
            },
        }
        Ok(Self { path, is_news: true })
    }

    /// Records the directory in the database.
    pub(super) async fn record(&self, store: &Store) -> Result<(), StoreError> {
        if self.is_news {
            store.set_meta(FACT, &self.path.display().to_string()).await?;
        }
        Ok(())
    }
}

/// Reports whether two paths lead to the same existing directory.
fn is_one_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
