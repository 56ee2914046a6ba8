//! Framing of the manager interface: decodes blocks, encodes actions.
//!
//! A connection begins with a banner line. Then each side sends blocks of `Name: value` lines, each block ended by an
//! empty line. Asterisk's actual output (seen on 22.10.1 and in the source of earlier releases) is less tidy, and the
//! codec accepts it: lines that end in a bare LF, `\n\r\n\r\n` after a message that brings its own line end, lines
//! without a colon, and the output of `Command` in old releases, free text up to `--END COMMAND--`.

use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::action::MAX_LINE_BYTES;
use super::{Action, Message};

/// Maximum length of a received line in bytes. Values in Asterisk's database and variables have at most 4 KiB; four
/// times that leaves room for the text printed around them.
pub const MAX_READ_LINE_BYTES: usize = 16 * 1_024;
/// Maximum number of lines of a block. The longest requested block lists the actions a user may execute: about 200.
pub const MAX_BLOCK_LINES: usize = 1_024;
/// Maximum size of a block in bytes, for the same reason.
pub const MAX_BLOCK_BYTES: usize = 128 * 1_024;
/// Maximum number of bytes discarded in search of the end of an oversized block. Beyond it the stream is no longer
/// treated as the manager interface.
pub const MAX_SKIPPED_BYTES: usize = 1_024 * 1_024;
/// Maximum length of the banner in bytes.
const MAX_BANNER_BYTES: usize = 256;
/// Text in every banner: `Asterisk Call Manager/11.0.0`, in any version, or with a fork's own name in front.
const BANNER: &str = "Call Manager/";
/// Ends the output of `Command` in a reply that begins with `Response: Follows`.
const END_OF_OUTPUT: &str = "--END COMMAND--";

/// A decoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first line.
    Banner(String),
    /// A whole block.
    Block(Message),
    /// An oversized block was discarded up to its end.
    Dropped,
}

/// Reason why the connection cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The first line is not the banner of Asterisk's manager interface.
    #[error("what answers is no manager interface")]
    NotManager,
    /// An oversized block did not end.
    #[error("a block went on for more than {MAX_SKIPPED_BYTES} bytes")]
    Endless,
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// State of the reader in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the banner.
    Start,
    /// In a block, or between two.
    Block,
    /// In the free text of `Response: Follows`.
    Output,
    /// In an oversized block: the number of bytes discarded, and if the line so far is empty.
    Skipping { bytes: usize, line_is_empty: bool },
}

/// The framing state of one connection.
#[derive(Debug)]
pub struct Codec {
    place: Place,
    /// Number of bytes at the buffer's beginning known to contain no line end.
    searched: usize,
    fields: Vec<(String, String)>,
    bytes: usize,
    expects_output: bool,
}

impl Default for Codec {
    fn default() -> Self {
        Self { place: Place::Start, searched: 0, fields: Vec::new(), bytes: 0, expects_output: false }
    }
}

impl Codec {
    /// Creates a codec for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets if a `Command` is in progress, whose answer may contain free text. At any other time `Response: Follows`
    /// begins a block like any other: a caller who injects it must not cause the following blocks to be swallowed.
    pub const fn expect_output(&mut self, expected: bool) {
        self.expects_output = expected;
    }

    /// Removes a line with its end from the buffer and decodes it as text; NUL and invalid bytes are replaced.
    fn line(src: &mut BytesMut, length: usize) -> String {
        let mut line = &src[..length];
        while let [rest @ .., b'\r'] = line {
            line = rest;
        }
        let text = String::from_utf8_lossy(line).replace('\0', "\u{fffd}");
        src.advance(length + 1);
        text
    }

    fn finish(&mut self) -> Frame {
        self.bytes = 0;
        self.place = Place::Block;
        Frame::Block(Message::new(std::mem::take(&mut self.fields)))
    }

    fn skip(&mut self, line_is_empty: bool) {
        self.fields.clear();
        self.bytes = 0;
        self.place = Place::Skipping { bytes: 0, line_is_empty };
    }

    /// Processes a line; returns the block that it ends, if any.
    fn take(&mut self, line: String) -> Option<Frame> {
        self.bytes += line.len();
        match self.place {
            Place::Output if line.ends_with(END_OF_OUTPUT) => {
                let rest = &line[..line.len() - END_OF_OUTPUT.len()];
                if !rest.is_empty() {
                    self.fields.push(("Output".to_owned(), rest.to_owned()));
                }
                self.place = Place::Block;
            }
            Place::Output if !self.is_head_of_output(&line) => {
                self.fields.push(("Output".to_owned(), line));
            }
            _ if line.is_empty() => {
                // A message that brought its own line end leaves an empty line between two blocks.
                return (!self.fields.is_empty()).then(|| self.finish());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or(("", &line));
                let field = (name.trim().to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned());
                let begins_output = self.expects_output
                    && self.fields.is_empty()
                    && field.0.eq_ignore_ascii_case("Response")
                    && field.1.eq_ignore_ascii_case("Follows");
                self.fields.push(field);
                if begins_output {
                    self.place = Place::Output;
                }
            }
        }
        if self.fields.len() > MAX_BLOCK_LINES || self.bytes > MAX_BLOCK_BYTES {
            self.skip(true);
        }
        None
    }

    /// Reports whether the line is `Privilege` or `ActionID`: these come before the text, each once.
    fn is_head_of_output(&self, line: &str) -> bool {
        ["Privilege: ", "ActionID: "].iter().any(|head| {
            line.starts_with(head)
                && self.fields.len() < 3
                && self.fields.iter().all(|(name, _)| name != "Output" && !head.starts_with(name.as_str()))
        })
    }

    /// Discards up to the end of the block; reports whether it was reached.
    fn skip_on(&mut self, src: &mut BytesMut, mut bytes: usize, mut empty: bool) -> Result<bool, CodecError> {
        for (at, byte) in src.iter().enumerate() {
            match byte {
                b'\n' if empty => {
                    src.advance(at + 1);
                    self.place = Place::Block;
                    return Ok(true);
                }
                b'\n' => empty = true,
                b'\r' => {}
                _ => empty = false,
            }
        }
        bytes += src.len();
        src.clear();
        self.place = Place::Skipping { bytes, line_is_empty: empty };
        if bytes > MAX_SKIPPED_BYTES { Err(CodecError::Endless) } else { Ok(false) }
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        loop {
            if let Place::Skipping { bytes, line_is_empty } = self.place {
                return Ok(self.skip_on(src, bytes, line_is_empty)?.then_some(Frame::Dropped));
            }
            let limit = if self.place == Place::Start { MAX_BANNER_BYTES } else { MAX_READ_LINE_BYTES };
            let end = src[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(length) = end.map(|at| self.searched + at).filter(|length| *length <= limit) else {
                if end.is_none() && src.len() <= limit {
                    self.searched = src.len();
                    return Ok(None);
                }
                self.searched = 0;
                if self.place == Place::Start {
                    return Err(CodecError::NotManager);
                }
                self.skip(true);
                continue;
            };
            self.searched = 0;
            let line = Self::line(src, length);
            if self.place == Place::Start {
                if !line.contains(BANNER) {
                    return Err(CodecError::NotManager);
                }
                self.place = Place::Block;
                return Ok(Some(Frame::Banner(line)));
            }
            if let Some(frame) = self.take(line) {
                return Ok(Some(frame));
            }
        }
    }

    /// An incomplete block at the end of the connection is dropped.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        self.decode(src)
    }
}

/// Encodes an action with its `ActionID`, as written:
///
/// ```text
/// Action: Getvar
/// ActionID: 9c0f6b2e01d3a4b5-17
/// Channel: PJSIP/1001-00000001
/// Variable: TG_TICKET
/// ```
impl Encoder<(&Action, &str)> for Codec {
    type Error = CodecError;

    fn encode(&mut self, (action, id): (&Action, &str), dst: &mut BytesMut) -> Result<(), CodecError> {
        let mut put = |name: &str, value: &str| {
            debug_assert!(
                name.len() + value.len() + 4 <= MAX_LINE_BYTES && !value.contains(['\r', '\n', '\0'])
            );
            dst.reserve(name.len() + value.len() + 4);
            dst.put_slice(name.as_bytes());
            dst.put_slice(b": ");
            dst.put_slice(value.as_bytes());
            dst.put_slice(b"\r\n");
        };
        put("Action", action.name());
        put("ActionID", id);
        for (name, value) in action.fields() {
            put(name, value);
        }
        dst.put_slice(b"\r\n");
        Ok(())
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
