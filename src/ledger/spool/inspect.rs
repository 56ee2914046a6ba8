//! Reads a spool's folder without opening the spool: `doctor`, `audit` and the start of a server use it.

use std::{path::Path, sync::Arc};

use super::{
    error::SpoolError,
    frames::{self, Kept},
    keeper::{DAMAGED, REFUSED, WAITING},
};

/// What lies in a spool's folder, for whoever only looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What waits for the book, oldest first; the book may have some of it.
    pub waiting: Vec<Kept>,
    /// What the book refused.
    pub refused: Vec<Kept>,
    /// Whether the disk has lost something: a copy of that file lies there.
    pub damaged: bool,
}

/// Looks into a spool's folder without disturbing whoever has it open. A folder that is not there holds nothing.
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

/// How many records of a book lie in a spool's folder, those that the book refused among them; `None` where the folder
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
