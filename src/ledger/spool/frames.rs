//! Format of a spool file: a header line that names its ledger, then one frame per record.
//!
//! ```text
//! tollgate-spool 1 BOOK\n
//! mark (4 bytes) | length (u32, little endian) | CRC-32 of length and payload | payload (JSON)
//! ```
//!
//! The file is only appended to and, once everything in it is in the ledger, truncated to its header line. A frame that
//! fails its check at the end of the file is therefore the torn end of an unacknowledged write, and is cut. Where whole
//! frames follow a broken one the disk has lost data: the whole frames are facts and are kept, and the mark finds them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::store::cdr::{CallKey, Settlement};

/// First words of a spool file; the number is the format version.
const HEADER: &str = "tollgate-spool 1 ";
/// Begins a frame. It is not valid text, so no record's JSON can contain it.
const MARK: [u8; 4] = [0xF1, b'T', b'G', 0x8D];
/// Length in bytes of the fields before a frame's payload.
const PREFIX: usize = 12;
/// Maximum payload in bytes. A settlement with four payers and their rates has some thousand bytes; a greater length is
/// damage and must not be trusted.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;
/// Maximum length of the header line in bytes.
const MAX_HEADER: usize = 256;

const CHECKSUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A record that the spool keeps for the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A call that ended.
    Settled(Box<Settlement>),
    /// A call that was never dialled and no longer holds credit.
    Voided(CallKey),
}

impl Kept {
    /// Returns the key of its call.
    pub fn key(&self) -> &CallKey {
        match self {
            Self::Settled(settlement) => &settlement.key,
            Self::Voided(key) => key,
        }
    }
}

/// Returns the header line of a spool for a ledger.
pub(crate) fn header(book: &str) -> Vec<u8> {
    format!("{HEADER}{book}\n").into_bytes()
}

/// Parses the ledger name of a spool file and the offset of its frames; `None` if it is not a spool file.
pub(crate) fn read_header(bytes: &[u8]) -> Option<(&str, usize)> {
    let line_end = bytes.iter().take(MAX_HEADER).position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..line_end]).ok()?;
    Some((line.strip_prefix(HEADER)?, line_end + 1))
}

/// Encodes a record as a frame; `None` if it is too long.
pub(crate) fn frame(kept: &Kept) -> Option<Vec<u8>> {
    let payload = serde_json::to_vec(kept).ok().filter(|payload| payload.len() <= MAX_PAYLOAD)?;
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let mut frame = Vec::with_capacity(PREFIX + payload.len());
    frame.extend_from_slice(&MARK);
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&checksum(length, &payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    Some(frame)
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    digest.update(&length);
    digest.update(payload);
    digest.finalize()
}

/// Decodes the record of a whole frame.
pub(crate) fn record(frame: &[u8]) -> Option<Kept> {
    serde_json::from_slice(frame.get(PREFIX..)?).ok()
}

/// Returns the length of the whole frame at the start of a slice.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
    if word(0)? != MARK {
        return None;
    }
    let length = word(4)?;
    let payload_bytes = usize::try_from(u32::from_le_bytes(length)).ok().filter(|n| *n <= MAX_PAYLOAD)?;
    let payload = bytes.get(PREFIX..PREFIX + payload_bytes)?;
    (checksum(length, payload) == u32::from_le_bytes(word(8)?)).then_some(PREFIX + payload_bytes)
}

/// Result of scanning a spool file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Byte range of each whole frame, in order.
    pub(crate) frames: Vec<Range<usize>>,
    /// End of the last whole frame, or of the header line.
    pub(crate) end: usize,
    /// Bytes between whole frames that belong to none: the disk has lost acknowledged records.
    pub(crate) damaged: usize,
}

/// Finds every whole frame from `begin` on.
pub(crate) fn scan(bytes: &[u8], begin: usize) -> Scan {
    let mut found = Scan { end: begin, ..Scan::default() };
    let mut at = begin;
    while at < bytes.len() {
        if let Some(length) = frame_length(&bytes[at..]) {
            found.damaged += at - found.end;
            found.frames.push(at..at + length);
            at += length;
            found.end = at;
        } else {
            // Continue at the next possible start of a frame.
            let rest = &bytes[at + 1..];
            at = rest.iter().position(|byte| *byte == MARK[0]).map_or(bytes.len(), |next| at + 1 + next);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn void(unique_id: &str) -> Kept {
        Kept::Voided(CallKey { server: "pbx1".to_owned(), unique_id: unique_id.to_owned(), leg: 1 })
    }

    /// A file of three records, and the end of each.
    fn three() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header("b00k");
        let mut ends = Vec::new();
        for unique_id in ["1.1", "1.2", "1.3"] {
            bytes.extend(frame(&void(unique_id)).unwrap());
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn records(bytes: &[u8]) -> Vec<Kept> {
        let (book, begin) = read_header(bytes).unwrap();
        assert_eq!(book, "b00k");
        scan(bytes, begin).frames.into_iter().map(|at| record(&bytes[at]).unwrap()).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, _) = three();
        assert_eq!(records(&bytes), ["1.1", "1.2", "1.3"].map(void));
    }

    #[test]
    fn cut_at_any_byte_the_whole_records_before_it_remain_and_nothing_else() {
        let (bytes, ends) = three();
        let begin = header("b00k").len();
        for cut in begin..bytes.len() {
            let found = scan(&bytes[..cut], begin);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found.frames.len(), whole, "cut at {cut}");
            assert_eq!(found.damaged, 0, "a torn end is no damage");
            assert_eq!(found.end, ends[..whole].last().copied().unwrap_or(begin));
        }
    }

    #[test]
    fn any_flipped_bit_loses_its_own_record_and_no_other() {
        let (bytes, ends) = three();
        let begin = header("b00k").len();
        for at in ends[0]..ends[1] {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(records(&damaged), ["1.1", "1.3"].map(void), "bit {bit} of byte {at}");
                assert_eq!(scan(&damaged, begin).damaged, ends[1] - ends[0]);
            }
        }
    }

    #[test]
    fn a_file_of_something_else_is_not_taken_for_a_spool() {
        for bytes in [&b""[..], b"SQLite format 3\0", b"tollgate-spool 2 x\n", b"tollgate-spool 1 unfinished"]
        {
            assert_eq!(read_header(bytes), None);
        }
    }
}
