//! Reads a spool's folder without opening the spool: `doctor`, `audit` and the start of a server use it.

use std::{path::Path, sync::Arc};

use super::{
    error::SpoolError,
    frames::{self, Kept},
    keeper::{DAMAGED, REFUSED, WAITING},
};

/// Contents of a spool's folder, read without opening the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Records waiting for the ledger, oldest first; the ledger may already have some of them.
    pub waiting: Vec<Kept>,
    /// Records that the ledger refused.
    pub refused: Vec<Kept>,
    /// True if the disk has lost data: a copy of the damaged file is in the folder.
    pub damaged: bool,
}

/// Reads a spool's folder without disturbing the process that has it open. A missing folder has no records.
pub fn look(dir: &Path) -> Result<Look, SpoolError> {
    let records = |name: &str, has_header: bool| -> Result<Vec<Kept>, SpoolError> {
        let path = dir.join(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SpoolError::Io { path, source: Arc::new(source) }),
        };
        let begin = if has_header && !bytes.is_empty() {
            frames::read_header(&bytes).ok_or_else(|| SpoolError::NoSpool { path: path.clone() })?.1
        } else {
            0
        };
        let read = |at: std::ops::Range<usize>| {
            let unreadable = || SpoolError::Unreadable { path: path.clone(), offset: at.start };
            frames::record(&bytes[at.clone()]).ok_or_else(unreadable)
        };
        frames::scan(&bytes, begin).frames.into_iter().map(read).collect()
    };
    Ok(Look {
        waiting: records(WAITING, true)?,
        refused: records(REFUSED, false)?,
        damaged: dir.join(DAMAGED).exists(),
    })
}

/// Counts the records of a ledger in a spool's folder, including those that the ledger refused; `None` where the folder
/// cannot be read from here.
pub fn left_in(dir: &Path, book: &str) -> Result<Option<usize>, SpoolError> {
    if std::fs::read_dir(dir).is_err() {
        return Ok(None);
    }
    let is_anothers = std::fs::read(dir.join(WAITING))
        .is_ok_and(|bytes| frames::read_header(&bytes).is_some_and(|(of, _)| of != book));
    if is_anothers {
        return Ok(Some(0));
    }
    match look(dir) {
        Ok(found) => Ok(Some(found.waiting.len() + found.refused.len())),
        Err(SpoolError::Io { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
