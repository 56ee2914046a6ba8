//! Records a golden transcript from a real Asterisk.
//!
//! ```text
//! cargo run -p tollgate-agi --example record -- 127.0.0.1:4573 agi/tests/transcripts/asterisk-22.txt
//! ```
//!
//! It waits for one connection, plays the fixed script, writes what both sides said, and ends. In the dialplan:
//! `AGI(agi://127.0.0.1:4573/record,one,two words)` on a channel that may be hung up.

mod script;

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::{env, fs, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tollgate_agi::transcript::{Speaker, Transcript};
use tollgate_agi::{Session, SessionLimits};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(address), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: record ADDRESS FILE".into());
    };
    let listener = TcpListener::bind(&address).await?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let heard = Arc::new(Mutex::new(Recorder::default()));
    let tee = Tee { inner: stream, heard: Arc::clone(&heard) };
    let result = async {
        let mut session = Session::open(tee, peer, SessionLimits::default()).await?;
        script::run(&mut session).await
    };
    let result = result.await;
    let transcript = heard.lock().unwrap_or_else(PoisonError::into_inner).transcript.to_string();
    fs::write(file, transcript)?;
    Ok(result?)
}

/// What was said so far, and the lines that are not complete.
#[derive(Default)]
struct Recorder {
    transcript: Transcript,
    partial: [Vec<u8>; 2],
}

impl Recorder {
    fn hear(&mut self, speaker: Speaker, bytes: &[u8]) {
        let partial = &mut self.partial[usize::from(speaker == Speaker::Server)];
        for byte in bytes {
            if *byte == b'\n' {
                self.transcript.push(speaker, String::from_utf8_lossy(partial));
                partial.clear();
            } else {
                partial.push(*byte);
            }
        }
    }
}

/// A connection that is listened to.
struct Tee<S> {
    inner: S,
    heard: Arc<Mutex<Recorder>>,
}

impl<S> Tee<S> {
    fn hear(&self, speaker: Speaker, bytes: &[u8]) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).hear(speaker, bytes);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tee<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.hear(Speaker::Asterisk, &buf.filled()[before..]);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tee<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = result {
            self.hear(Speaker::Server, &bytes[..written]);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
