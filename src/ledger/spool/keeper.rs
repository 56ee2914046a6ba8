//! The single thread that owns the spool's files: it appends all waiting records, synchronises once for all of them,
//! then notifies every caller.

use std::{
    collections::{HashSet, VecDeque},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _},
    ops::Range,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    counters::SpoolCounters,
    error::SpoolError,
    frames::{self, Kept},
};
use crate::{
    ledger::inbox::lock,
    store::cdr::{CallKey, Settlement},
};

/// File of records that wait for the ledger.
pub(super) const WAITING: &str = "waiting";
/// File of records that the ledger refused, kept until the next start submits them again.
pub(super) const REFUSED: &str = "refused";
/// Copy of a file in which the disk lost data.
pub(super) const DAMAGED: &str = "damaged";
/// Maximum bytes waiting. A settlement has 2 to 3 KB, so this covers an outage of a day at five calls a second; beyond
/// it calls stay with Asterisk, which keeps their ends as well.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Maximum records in one write and synchronisation: bounds the wait of the first of them.
const GROUP: usize = 512;

/// An operation for the thread, and the channel for its answer.
pub(super) enum Command {
    /// Add a record.
    Keep(Kept, oneshot::Sender<Result<(), SpoolError>>),
    /// Read the first records.
    First(usize, oneshot::Sender<Result<Vec<Kept>, SpoolError>>),
    /// Remove this many of the first records; those at the given positions among them were refused.
    Done(usize, Vec<usize>, oneshot::Sender<Result<(), SpoolError>>),
    /// Close the files.
    Close(oneshot::Sender<()>),
}

/// The calls with a kept end.
pub(super) type Keys = std::sync::Mutex<HashSet<KeptEnd>>;

/// A kept end of a call: the call's key and the kind of record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeptEnd {
    pub(super) key: CallKey,
    /// Time the call was granted, in microseconds since the epoch, for a settlement with the call's ticket; `None`
    /// without the ticket, as the grant is then unknown.
    pub(super) granted_at: Option<i64>,
}

impl KeptEnd {
    /// Returns the mark of a settlement.
    pub(super) fn of(settlement: &Settlement) -> Self {
        let granted_at = (!settlement.provisional).then(|| settlement.cdr.setup_at.as_microsecond());
        Self { key: settlement.key.clone(), granted_at }
    }
}

/// The files, open and locked.
pub(super) struct Keeper {
    dir: PathBuf,
    file: File,
    /// Offset of the first frame.
    begin: u64,
    /// Offset of the next frame to write.
    end: u64,
    /// Maximum size of the file in bytes.
    most: u64,
    /// Range of each record that the ledger has not acknowledged, oldest first.
    waiting: VecDeque<Range<u64>>,
    keys: Arc<Keys>,
    counters: Arc<SpoolCounters>,
}

impl Keeper {
    /// Opens the spool of a ledger, creating it if needed, and cuts a torn end.
    pub(super) fn open(
        dir: &Path,
        book: &str,
        most: u64,
        keys: Arc<Keys>,
        counters: Arc<SpoolCounters>,
    ) -> Result<Self, SpoolError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SpoolError::Io { path, source: Arc::new(source) }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
        let path = dir.join(WAITING);
        let mut file = private(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed(&path))?;
        let header = frames::header(book);
        // New, or torn within the header; or it belonged to another database, which has all of its records.
        if header.starts_with(&bytes) || is_empty_spool(&bytes) {
            let begun = file.set_len(0).and_then(|()| file.write_all_at(&header, 0));
            begun.and_then(|()| file.sync_all()).map_err(failed(&path))?;
            sync_folders(dir).map_err(failed(dir))?;
            bytes.clone_from(&header);
        }
        let (of, begin) =
            frames::read_header(&bytes).ok_or_else(|| SpoolError::NoSpool { path: path.clone() })?;
        if of != book {
            return Err(SpoolError::OtherBook { path });
        }
        let found = frames::scan(&bytes, begin);
        if found.damaged > 0 {
            let copy = dir.join(DAMAGED);
            fs::copy(&path, &copy).map_err(failed(&copy))?;
            tracing::error!(
                spool.damaged_bytes = found.damaged,
                spool.copy = %copy.display(),
                "the disk has lost settlements that were acknowledged; the whole ones are kept"
            );
        }
        if found.end < bytes.len() {
            tracing::warn!(
                spool.torn_bytes = bytes.len() - found.end,
                "the end of the spool was torn: that settlement was never acknowledged"
            );
            file.set_len(offset(found.end)).and_then(|()| file.sync_all()).map_err(failed(&path))?;
        }
        let mut keeper = Self {
            dir: dir.to_owned(),
            file,
            begin: offset(begin),
            end: offset(found.end),
            most,
            waiting: VecDeque::new(),
            keys,
            counters,
        };
        for at in found.frames {
            // This program can read everything it wrote; an older program must not lose a newer one's record.
            let kept = frames::record(&bytes[at.clone()])
                .ok_or_else(|| SpoolError::Unreadable { path: path.clone(), offset: at.start })?;
            keeper.remember(&kept, offset(at.start)..offset(at.end));
        }
        keeper.count();
        keeper.take_back_refused()?;
        Ok(keeper)
    }

    /// Submits the refused records again: an operator may have removed the reason.
    fn take_back_refused(&mut self) -> Result<(), SpoolError> {
        let path = self.dir.join(REFUSED);
        let failed = |source| SpoolError::Io { path: path.clone(), source: Arc::new(source) };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mut group = Vec::new();
        for at in frames::scan(&bytes, 0).frames {
            let unreadable = || SpoolError::Unreadable { path: path.clone(), offset: at.start };
            // No caller waits for these answers; only the addition of all of them matters.
            group.push((frames::record(&bytes[at.clone()]).ok_or_else(unreadable)?, oneshot::channel().0));
        }
        let wanted = self.waiting.len() + group.len();
        if wanted == self.waiting.len() {
            return Ok(());
        }
        self.keep(group);
        if self.waiting.len() == wanted {
            fs::remove_file(&path).and_then(|()| sync_folders(&self.dir)).map_err(failed)?;
        }
        Ok(())
    }

    /// Runs until it is closed or every handle is dropped.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next = commands.blocking_recv();
        while let Some(command) = next.take() {
            match command {
                Command::Keep(kept, answer) => {
                    let mut group = vec![(kept, answer)];
                    while group.len() < GROUP {
                        match commands.try_recv() {
                            Ok(Command::Keep(kept, answer)) => group.push((kept, answer)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.keep(group);
                }
                // The caller may have gone.
                Command::First(most, answer) => drop(answer.send(self.first(most))),
                Command::Done(count, refused, answer) => drop(answer.send(self.done(count, &refused))),
                Command::Close(answer) => {
                    drop(self);
                    let _ = answer.send(());
                    return;
                }
            }
            if next.is_none() {
                next = commands.blocking_recv();
            }
        }
    }

    /// Appends records in one write; each caller is notified after the synchronisation that includes its record.
    fn keep(&mut self, group: Vec<(Kept, oneshot::Sender<Result<(), SpoolError>>)>) {
        let mut bytes = Vec::new();
        let mut written = Vec::with_capacity(group.len());
        for (kept, answer) in group {
            let Some(frame) = frames::frame(&kept) else {
                let _ = answer.send(Err(SpoolError::TooLong));
                continue;
            };
            let start = self.end + offset(bytes.len());
            if start + offset(frame.len()) > self.most {
                let _ = answer.send(Err(SpoolError::Full { bytes: self.most }));
                continue;
            }
            bytes.extend_from_slice(&frame);
            written.push((kept, start..start + offset(frame.len()), answer));
        }
        if written.is_empty() {
            return;
        }
        let added = self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        if let Err(source) = added {
            let error = SpoolError::Io { path: self.dir.join(WAITING), source: Arc::new(source) };
            // The partial write was acknowledged to no caller. If it remains, the next start reads it as the settlement
            // it is.
            let _ = self.file.set_len(self.end);
            for (_, _, answer) in written {
                let _ = answer.send(Err(error.clone()));
            }
            return;
        }
        self.end += offset(bytes.len());
        self.counters.kept.fetch_add(written.len() as u64, Ordering::Relaxed);
        let mut answers = Vec::with_capacity(written.len());
        for (kept, at, answer) in written {
            self.remember(&kept, at);
            answers.push(answer);
        }
        self.count();
        for answer in answers {
            let _ = answer.send(Ok(()));
        }
    }

    fn remember(&mut self, kept: &Kept, at: Range<u64>) {
        self.waiting.push_back(at);
        if let Kept::Settled(settlement) = kept {
            lock(&self.keys).insert(KeptEnd::of(settlement));
        }
    }

    fn first(&self, most: usize) -> Result<Vec<Kept>, SpoolError> {
        self.waiting.iter().take(most).map(|at| self.read(at).map(|(kept, _)| kept)).collect()
    }

    fn read(&self, at: &Range<u64>) -> Result<(Kept, Vec<u8>), SpoolError> {
        let path = || self.dir.join(WAITING);
        let length = usize::try_from(at.end - at.start).unwrap_or(0);
        let mut frame = vec![0; length];
        self.file
            .read_exact_at(&mut frame, at.start)
            .map_err(|source| SpoolError::Io { path: path(), source: Arc::new(source) })?;
        let kept = frames::record(&frame).ok_or_else(|| SpoolError::Unreadable {
            path: path(),
            offset: usize::try_from(at.start).unwrap_or(usize::MAX),
        })?;
        Ok((kept, frame))
    }

    fn done(&mut self, count: usize, refused: &[usize]) -> Result<(), SpoolError> {
        let gone: Vec<Range<u64>> = self.waiting.iter().take(count).cloned().collect();
        let mut aside = Vec::new();
        let mut ended = Vec::with_capacity(gone.len());
        for (place, at) in gone.iter().enumerate() {
            let (kept, frame) = self.read(at)?;
            if refused.contains(&place) {
                aside.extend(frame);
            }
            ended.push(kept);
        }
        if !aside.is_empty() {
            self.put_aside(&aside)?;
        }
        self.waiting.drain(..gone.len());
        {
            let mut keys = lock(&self.keys);
            for kept in &ended {
                if let Kept::Settled(settlement) = kept {
                    keys.remove(&KeptEnd::of(settlement));
                }
            }
        }
        self.counters.drained.fetch_add((ended.len() - refused.len()) as u64, Ordering::Relaxed);
        self.counters.refused.fetch_add(refused.len() as u64, Ordering::Relaxed);
        if self.waiting.is_empty() {
            // If this truncation is lost, the records are written again, and the ledger recognises them.
            if let Err(error) = self.file.set_len(self.begin).and_then(|()| self.file.sync_all()) {
                tracing::warn!(%error, "the spool could not be emptied; the book will be told again");
            } else {
                self.end = self.begin;
            }
        }
        self.count();
        Ok(())
    }

    /// Keeps refused records for the operator.
    fn put_aside(&self, frames: &[u8]) -> Result<(), SpoolError> {
        let path = self.dir.join(REFUSED);
        let written = private(&path).and_then(|file| {
            let end = file.metadata()?.len();
            let added = file.write_all_at(frames, end).and_then(|()| file.sync_all());
            // After a partial write on a full disk, the fragment would precede the records kept next.
            added.inspect_err(|_| drop(file.set_len(end)))
        });
        written
            .and_then(|()| sync_folders(&self.dir))
            .map_err(|source| SpoolError::Io { path, source: Arc::new(source) })
    }

    fn count(&self) {
        self.counters.records.store(self.waiting.len() as u64, Ordering::Release);
        self.counters.bytes.store(self.end - self.begin, Ordering::Relaxed);
    }
}

/// Reports whether the bytes are a spool without waiting records.
fn is_empty_spool(bytes: &[u8]) -> bool {
    frames::read_header(bytes).is_some_and(|(_, begin)| frames::scan(bytes, begin).frames.is_empty())
}

/// Opens a file for its owner alone, creating it if needed.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A new file survives a power cut only if its folder is synchronised; the same holds for a new folder.
fn sync_folders(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    let above = match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    match File::open(above).and_then(|above| above.sync_all()) {
        // The process may be allowed into a folder that it may not read.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

fn offset(length: usize) -> u64 {
    length as u64
}
