//! Accepting connections without ever leaving one unanswered in the kernel's queue.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// The first and the longest pause after a failed accept: what failed is not cured by asking again at once.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Log lines about failures, at most one in so many: a flood must not fill the disk.
const LOG_ONE_IN: u64 = 1_000;

/// `EMFILE` and `ENFILE` on Linux: the process, or the machine, has no file descriptor left.
const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];

/// Bits of an IPv6 address that one customer's network has in common.
const IPV6_NETWORK_BITS: u32 = 64;

/// The address that a share is counted by: an IPv4 address, also where it is seen through an IPv6 socket, or the /64 of
/// an IPv6 address, for whoever has one address of it has them all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !(u128::MAX >> IPV6_NETWORK_BITS)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Failures of an [`Acceptor`].
#[derive(Debug, Default)]
pub struct AcceptCounters {
    errors: AtomicU64,
    out_of_descriptors: AtomicU64,
}

impl AcceptCounters {
    /// Failed accepts, those for want of descriptors included.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Connections that were closed at once because the process had no file descriptor for them.
    pub fn out_of_descriptors(&self) -> u64 {
        self.out_of_descriptors.load(Ordering::Relaxed)
    }
}

/// A listener that keeps a file descriptor in reserve: when the process has none left, the reserve is spent on
/// accepting and closing what waits. A caller is then refused within milliseconds; left in the kernel's queue it would
/// wait without limit.
#[derive(Debug)]
pub struct Acceptor<'a> {
    name: &'static str,
    listener: &'a TcpListener,
    counters: &'a AcceptCounters,
    reserve: Option<File>,
    pause: Duration,
}

impl<'a> Acceptor<'a> {
    /// Accepts on `listener`, called `name` in the log.
    pub fn new(name: &'static str, listener: &'a TcpListener, counters: &'a AcceptCounters) -> Self {
        Self { name, listener, counters, reserve: open_reserve(), pause: BACK_OFF.0 }
    }

    /// The next connection. Dropping the future loses none.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.pause = BACK_OFF.0;
                    if self.reserve.is_none() {
                        self.reserve = open_reserve();
                    }
                    return accepted;
                }
                // The other side's doing; the next one may be fine.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    let before = self.counters.errors.fetch_add(1, Ordering::Relaxed);
                    if before.is_multiple_of(LOG_ONE_IN) {
                        tracing::error!(listener = self.name, %error, errors = before + 1, "accept failed");
                    }
                    let is_out = error.raw_os_error().is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code));
                    if !(is_out && self.refuse_one().await) {
                        tokio::time::sleep(self.pause).await;
                        self.pause = (self.pause * 2).min(BACK_OFF.1);
                    }
                }
            }
        }
    }

    /// Closes one waiting connection by means of the reserved descriptor; whether it did.
    async fn refuse_one(&mut self) -> bool {
        if self.reserve.take().is_none() {
            self.reserve = open_reserve();
            return false;
        }
        let refused = poll_fn(|context| {
            Poll::Ready(match self.listener.poll_accept(context) {
                Poll::Ready(Ok((stream, _))) => {
                    drop(stream);
                    true
                }
                // Nothing waits any more, or another thread was quicker to take the descriptor.
                Poll::Ready(Err(_)) | Poll::Pending => false,
            })
        })
        .await;
        if refused {
            self.counters.out_of_descriptors.fetch_add(1, Ordering::Relaxed);
        }
        self.reserve = open_reserve();
        // A flood of refusals must let other tasks run.
        tokio::task::yield_now().await;
        refused
    }
}

fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_an_ipv4_address_or_an_ipv6_network() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
