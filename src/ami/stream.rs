//! The byte stream of a connection: TCP or TLS, decoded into blocks, encoded from actions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::Instant;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::Action;
use super::codec::{Codec, CodecError, Frame};
use super::settings::Settings;
use crate::clock::Clock;
use crate::dial::{DialError, Stream, dial};

/// Maximum number of bytes per read.
const READ_BYTES: usize = 64 * 1_024;
/// Connects within the time limit.
pub(super) async fn connect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    heard_ms: Arc<AtomicU64>,
) -> Result<(Reader, Writer), DialError> {
    let stream = dial(&settings.host, settings.port, settings.tls.as_ref(), settings.timing.connect).await?;
    let (read, write) = tokio::io::split(stream);
    Ok((
        Reader {
            half: read,
            codec: Codec::new(),
            buffer: BytesMut::new(),
            clock,
            heard_ms,
            heard: Instant::now(),
            is_known: false,
        },
        Writer { half: write, codec: Codec::new(), buffer: BytesMut::new(), flushed: true },
    ))
}

/// The receiving half.
pub(super) struct Reader {
    half: ReadHalf<Box<dyn Stream>>,
    codec: Codec,
    buffer: BytesMut,
    clock: Arc<dyn Clock>,
    heard_ms: Arc<AtomicU64>,
    heard: Instant,
    is_known: bool,
}

impl Reader {
    /// Returns the next frame; `None` at the end of the connection. Cancel-safe: dropping it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_BYTES);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
            self.heard = Instant::now();
            if self.is_known {
                self.note_life();
            }
        }
    }

    /// Confirms the server's identity: from now on received bytes prove that it is alive.
    pub(super) fn is_the_right_one(&mut self) {
        self.is_known = true;
        self.note_life();
    }

    fn note_life(&self) {
        // 0 means never.
        self.heard_ms.store(self.clock.monotonic_ms().max(1), Ordering::Relaxed);
    }

    /// Returns the time of the last byte, or of the start of the connection.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Sets if an answer with free text is expected.
    pub(super) const fn expect_output(&mut self, expected: bool) {
        self.codec.expect_output(expected);
    }
}

/// The sending half.
pub(super) struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    codec: Codec,
    buffer: BytesMut,
    flushed: bool,
}

impl Writer {
    /// Queues an action for writing.
    pub(super) fn queue(&mut self, action: &Action, id: &str) {
        // Encoding into memory cannot fail.
        let _ = self.codec.encode((action, id), &mut self.buffer);
        self.flushed = false;
    }

    /// Reports whether bytes are waiting to be written.
    pub(super) const fn has_work(&self) -> bool {
        !self.flushed
    }

    /// Writes the queued bytes. Cancel-safe: unwritten bytes are written the next time.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            self.half.write_buf(&mut self.buffer).await?;
        }
        self.half.flush().await?;
        self.flushed = true;
        Ok(())
    }
}
