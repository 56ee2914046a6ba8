//! A connection whose other side must keep reading.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that restore a second of patience: a reader slower than this per second is eventually disconnected.
const BYTES_A_SECOND: u32 = 4 * 1024;

/// A stream that ends a connection once its writes have waited longer than `patience` in total. Bytes read by the other
/// side restore patience, up to its full amount: an occasional byte does not keep a connection alive.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    patience: Duration,
    left: Duration,
    stalled: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, left: patience, stalled: None }
    }

    /// Records the result of a write.
    fn note(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(stall) = self.stalled.take() {
                    self.left = self.left.saturating_sub(stall.since.elapsed());
                }
                let earned = Duration::from_secs(1)
                    .mul_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(BYTES_A_SECOND));
                self.left = self.left.saturating_add(earned).min(self.patience);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let left = self.left;
                let stall = self.stalled.get_or_insert_with(|| Stall {
                    since: Instant::now(),
                    end: Box::pin(tokio::time::sleep(left)),
                });
                ready!(stall.end.as_mut().poll(context));
                let reason = "the other side reads too slowly";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context).map_ok(|()| 0);
        self.note(flushed, context).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(context).map_ok(|()| 0);
        self.note(shut_down, context).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_byte_now_and_then_is_cut_off() {
        let (near, mut far) = duplex(64);
        let began = Instant::now();
        let dripping = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(3)).await;
                if far.read_u8().await.is_err() {
                    return;
                }
            }
        });
        let error = Paced::new(near, PATIENCE).write_all(&[0; 10_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((20..25).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        dripping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (near, _far) = duplex(64);
        let began = Instant::now();
        Paced::new(near, PATIENCE).write_all(&[0; 10_000]).await.unwrap_err();
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_that_keeps_taking_is_served_to_the_end() {
        let (near, mut far) = duplex(8 * 1024);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 8 * 1024];
            let mut all = 0;
            while let Ok(read @ 1..) = far.read(&mut buffer).await {
                all += read;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            all
        });
        let mut paced = Paced::new(near, PATIENCE);
        paced.write_all(&vec![0; 1_000_000]).await.unwrap();
        drop(paced);
        assert_eq!(reading.await.unwrap(), 1_000_000);
    }
}
