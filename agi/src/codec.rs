//! Lines in, commands out: the framing both sides of the protocol share.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::command::{Command, EncodeError};

/// The longest line taken from Asterisk, in bytes, newline not counted.
///
/// An argument can be as long as the dialplan can build (about 4,091 bytes), and so can a variable's value in a
/// reply; twice that leaves room for the key around it and refuses everything else.
pub const MAX_LINE_BYTES: usize = 8_190;

/// Splits a byte stream into lines that end in `\n`, none longer than a limit.
///
/// The line is handed out without its newline and is otherwise untouched: a `\r` stays in it, and whoever parses the
/// line refuses it. Bytes are looked at once, however small the pieces are in which they arrive.
#[derive(Debug, Clone)]
pub struct LineCodec {
    max_line_bytes: usize,
    /// Bytes at the front of the buffer already known to hold no newline.
    scanned: usize,
}

impl LineCodec {
    /// A codec that refuses lines of more than `max_line_bytes` bytes.
    #[must_use]
    pub const fn new(max_line_bytes: usize) -> Self {
        Self { max_line_bytes, scanned: 0 }
    }

    /// The length of the first line in `buffer`, its newline not counted, if it is complete. For who takes lines out
    /// of the buffer without keeping them: the next call expects the buffer without this line.
    pub(crate) fn find(&mut self, buffer: &[u8]) -> Result<Option<usize>, CodecError> {
        debug_assert!(self.scanned <= buffer.len(), "the buffer only shrinks by whole lines");
        let from = self.scanned.min(buffer.len());
        let until = buffer.len().min(self.max_line_bytes + 1);
        let found = if from < until { memchr::memchr(b'\n', &buffer[from..until]) } else { None };
        match found {
            Some(offset) => {
                self.scanned = 0;
                Ok(Some(from + offset))
            }
            None if buffer.len() > self.max_line_bytes => {
                Err(CodecError::LineTooLong { limit: self.max_line_bytes })
            }
            None => {
                self.scanned = buffer.len();
                Ok(None)
            }
        }
    }
}

impl Default for LineCodec {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

/// Why bytes could not be framed.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// More than `limit` bytes came without a newline.
    #[error("a line of more than {limit} bytes")]
    LineTooLong {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// The stream ended inside a line.
    #[error("the stream ended inside a line")]
    Truncated,
    /// The command cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Decoder for LineCodec {
    type Item = Bytes;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        Ok(self.find(buffer)?.map(|length| {
            let mut line = buffer.split_to(length + 1);
            line.truncate(length);
            line.freeze()
        }))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => Err(CodecError::Truncated),
            line => Ok(line),
        }
    }
}

impl<C: Command + ?Sized> Encoder<&C> for LineCodec {
    type Error = CodecError;

    fn encode(&mut self, command: &C, buffer: &mut BytesMut) -> Result<(), CodecError> {
        Ok(command.encode(buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `pieces` one after the other; what came out, and whether the codec gave up.
    fn lines_of<'a>(codec: &mut LineCodec, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
        let (mut buffer, mut lines) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => break,
                    Err(_) => return (lines, true),
                }
            }
        }
        (lines, false)
    }

    #[test]
    fn a_line_loses_its_newline_and_nothing_else() {
        let (lines, failed) = lines_of(&mut LineCodec::new(10), [&b"one\n\r\n\n tail"[..]]);
        assert_eq!(lines, ["one", "\r", ""].map(Bytes::from));
        assert!(!failed);
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_is_refused() {
        assert_eq!(lines_of(&mut LineCodec::new(4), [&b"1234\n"[..]]), (vec![Bytes::from("1234")], false));
        assert_eq!(lines_of(&mut LineCodec::new(4), [&b"12345\n"[..]]), (vec![], true));
        assert_eq!(lines_of(&mut LineCodec::new(4), [&b"12345"[..]]), (vec![], true));
    }

    #[test]
    fn an_end_inside_a_line_is_not_a_line() {
        let mut codec = LineCodec::default();
        assert!(matches!(codec.decode_eof(&mut BytesMut::from("half")), Err(CodecError::Truncated)));
        let mut codec = LineCodec::default();
        assert!(matches!(codec.decode_eof(&mut BytesMut::new()), Ok(None)));
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..200),
            size in 1_usize..20,
            limit in 0_usize..40,
        ) {
            let whole = lines_of(&mut LineCodec::new(limit), [&bytes[..]]);
            let split = lines_of(&mut LineCodec::new(limit), bytes.chunks(size));
            prop_assert_eq!(whole, split);
        }
    }
}
