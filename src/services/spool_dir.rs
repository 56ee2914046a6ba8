//! The spool's folder. The database names it, so that a start from another working directory, or with another
//! configuration, leaves no ended call behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ServiceError;
use crate::config::Config;
use crate::ledger::spool::{SpoolError, left_in};
use crate::store::{Store, StoreError};

/// The fact of the database that names the folder.
const FACT: &str = "spool_dir";

/// The configured folder, by its absolute path.
pub(super) struct SpoolDir {
    pub(super) path: PathBuf,
    /// Whether the database names another one, or none.
    is_news: bool,
}

impl SpoolDir {
    /// The configured folder; an error where the one that the database names still holds ended calls of `book`.
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
                // Another machine's, most likely: that one finds what is in it when it serves again.
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

    /// Lets the database name it.
    pub(super) async fn record(&self, store: &Store) -> Result<(), StoreError> {
        if self.is_news {
            store.set_meta(FACT, &self.path.display().to_string()).await?;
        }
        Ok(())
    }
}

/// Whether two paths lead to one folder that is there.
fn is_one_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
