//! The connection's bytes: TCP or TLS, read into blocks, written from actions.

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

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1_024;
/// Connects, within the time that is allowed for it.
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

/// The incoming half.
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
    /// The next frame; `None` at the end of the connection. May be dropped while it waits: nothing is lost.
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

    /// It is the server that is meant: what it sends proves from now on that it is alive.
    pub(super) fn is_the_right_one(&mut self) {
        self.is_known = true;
        self.note_life();
    }

    fn note_life(&self) {
        // 0 stands for never.
        self.heard_ms.store(self.clock.monotonic_ms().max(1), Ordering::Relaxed);
    }

    /// When something came last, or the connection began.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether an answer with free text is awaited.
    pub(super) const fn expect_output(&mut self, expected: bool) {
        self.codec.expect_output(expected);
    }
}

/// The outgoing half.
pub(super) struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    codec: Codec,
    buffer: BytesMut,
    flushed: bool,
}

impl Writer {
    /// Adds an action to what is to be written.
    pub(super) fn queue(&mut self, action: &Action, id: &str) {
        // It writes into memory: it cannot fail.
        let _ = self.codec.encode((action, id), &mut self.buffer);
        self.flushed = false;
    }

    /// Whether something is to be written.
    pub(super) const fn has_work(&self) -> bool {
        !self.flushed
    }

    /// Writes what is queued. May be dropped while it waits: what was not written is written the next time.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            self.half.write_buf(&mut self.buffer).await?;
        }
        self.half.flush().await?;
        self.flushed = true;
        Ok(())
    }
}
