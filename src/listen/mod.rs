//! HTTP listeners: which connections are kept, and the time limit of each part of a connection.
//!
//! Every connection is accepted at once: it is kept, or closed before anything is read. No caller waits in the kernel's
//! queue, and when there are too many connections the one that waits longest is closed first (`seats`).

mod body;
mod paced;
mod seats;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tollgate_agi::accept::{AcceptCounters, Acceptor};
use tower::Service as _;

use self::body::{Answering, Timely};
use self::paced::Paced;
pub(crate) use self::seats::CLOSING;
pub use self::seats::Caps;
use self::seats::{NoSeat, Seat, Seats};
use crate::metrics::Registry;

/// Maximum size of a request's head in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Maximum number of header lines in a request.
const MAX_HEADERS: usize = 64;
/// Refused connections per log line about them.
const LOG_ONE_IN: u64 = 1_000;

/// Time limits of the parts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Limit for a TLS handshake.
    pub handshake: Duration,
    /// Limit for a complete request head, including the idle time before it.
    pub head: Duration,
    /// Limit for a complete request body.
    pub body: Duration,
    /// Limit for the total time writes wait for the other side; reading 4 KiB a second restores it.
    pub write: Duration,
    /// Limit for requests in progress when the listener stops.
    pub stop: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            body: Duration::from_secs(20),
            write: Duration::from_secs(20),
            stop: Duration::from_secs(5),
        }
    }
}

/// Settings of a listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in metrics and the log.
    pub name: &'static str,
    /// Connection caps.
    pub caps: Caps,
    /// Networks from which connections are accepted, beside this machine's own address; `None` accepts any.
    pub allow: Option<Vec<IpNet>>,
    /// Networks of proxies: only the total cap bounds their connections, not the share per address.
    pub proxies: Vec<IpNet>,
    /// Time limits.
    pub patience: Patience,
}

/// A listener that is ready to serve.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    settings: Settings,
    meter: Arc<Meter>,
}

/// Counters of a listener.
#[derive(Debug)]
pub struct Meter {
    name: &'static str,
    caps: Caps,
    seats: Arc<Seats>,
    refused_address: AtomicU64,
    refused_share: AtomicU64,
    refused_full: AtomicU64,
    accept: AcceptCounters,
    last_refused: Mutex<Option<IpAddr>>,
}

/// A row of the connection metrics.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Name of the listener.
    pub listener: &'static str,
    /// Maximum concurrent connections.
    pub cap: usize,
    /// Open connections.
    pub open: usize,
    /// Waiting connections closed in favour of others.
    pub evicted: u64,
    /// Connections refused because the address is not allowed.
    pub refused_address: u64,
    /// Connections refused because the address has reached its share.
    pub refused_share: u64,
    /// Connections refused because the listener is full.
    pub refused_full: u64,
    /// Connections refused because the process has no file descriptor left.
    pub refused_descriptors: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// The last address refused because it is not allowed.
    pub last_refused: Option<IpAddr>,
}

impl Meter {
    /// Creates the meter of a listener with these settings.
    pub fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name,
            caps: settings.caps,
            seats: Seats::new(settings.caps),
            refused_address: AtomicU64::new(0),
            refused_share: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
            accept: AcceptCounters::default(),
            last_refused: Mutex::default(),
        })
    }

    /// Returns the current counts.
    pub fn counted(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            listener: self.name,
            cap: self.caps.connections,
            open: self.seats.open(),
            evicted: self.seats.evictions(),
            refused_address: of(&self.refused_address),
            refused_share: of(&self.refused_share),
            refused_full: of(&self.refused_full),
            refused_descriptors: self.accept.out_of_descriptors(),
            accept_errors: self.accept.errors(),
            last_refused: *self.last_refused.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Registers the metrics of all listeners; `counted` reads their counts.
pub fn register_metrics(
    registry: &mut Registry,
    counted: impl Fn() -> Vec<Counted> + Clone + Send + Sync + 'static,
) {
    let each = |value: fn(&Counted) -> u64| {
        let counted = counted.clone();
        move || counted().iter().map(|of| ([of.listener.to_owned()], value(of))).collect::<Vec<_>>()
    };
    let labels = ["listener"];
    registry.gauges("tollgate_connections", "Open connections", labels, each(|of| of.open as u64));
    let help = "Maximum number of open connections";
    registry.gauges("tollgate_connections_limit", help, labels, each(|of| of.cap as u64));
    let help = "Waiting connections closed in favour of new ones";
    registry.counters("tollgate_connections_evicted_total", help, labels, each(|of| of.evicted));
    registry.counters("tollgate_accept_errors_total", "Failed accepts", labels, each(|of| of.accept_errors));
    let help = "Connections closed at accept, nothing read";
    registry.counters("tollgate_connections_refused_total", help, ["listener", "reason"], move || {
        let reasons = |of: &Counted| {
            [
                ("address", of.refused_address),
                ("share", of.refused_share),
                ("full", of.refused_full),
                ("descriptors", of.refused_descriptors),
            ]
        };
        let samples = |of: &Counted| {
            let listener = of.listener;
            reasons(of).map(|(reason, count)| ([listener.to_owned(), reason.to_owned()], count))
        };
        counted().iter().flat_map(samples).collect()
    });
}

impl Listener {
    /// Creates a listener with these settings.
    pub fn new(tcp: TcpListener, settings: Settings) -> Self {
        let meter = Meter::new(&settings);
        Self::metered(tcp, settings, meter)
    }

    /// Creates a listener with this meter, which must be made for the same settings.
    pub fn metered(tcp: TcpListener, settings: Settings, meter: Arc<Meter>) -> Self {
        Self { tcp, settings, meter }
    }

    /// Returns the listener's meter.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Returns the listener's address.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `shutdown`; requests in progress then get `patience.stop` to finish.
    pub async fn serve(self, tls: Option<TlsAcceptor>, router: Router, shutdown: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let mut acceptor = Acceptor::new(self.settings.name, &self.tcp, &self.meter.accept);
        loop {
            let (stream, address) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = acceptor.accept() => accepted,
            };
            let Some(seat) = self.admit(&stream, address) else { continue };
            // Answers are small; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
            let patience = self.settings.patience;
            tokio::spawn(async move {
                let seat = Arc::new(seat);
                tokio::select! {
                    () = converse(stream, address, tls, router, Arc::clone(&seat), watcher, patience) => {}
                    () = seat.evicted() => tracing::debug!(%address, "a waiting connection was closed for another"),
                }
            });
        }
        drop(acceptor);
        drop(self.tcp);
        if tokio::time::timeout(self.settings.patience.stop, graceful.shutdown()).await.is_err() {
            tracing::warn!(listener = self.settings.name, "HTTP requests were still under way at the stop");
        }
    }

    /// Returns a seat for a connection, if its address may have one.
    fn admit(&self, stream: &TcpStream, address: SocketAddr) -> Option<Seat> {
        let from = address.ip().to_canonical();
        let (counter, reason) = if self.may_connect(stream, from) {
            let is_proxy = self.settings.proxies.iter().any(|network| network.contains(&from));
            match self.meter.seats.take(from, is_proxy) {
                Ok(seat) => return Some(seat),
                Err(NoSeat::Share) => (&self.meter.refused_share, "the address has its share of connections"),
                Err(NoSeat::Full) => (&self.meter.refused_full, "too many connections at once"),
            }
        } else {
            *self.meter.last_refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
            (&self.meter.refused_address, "the address is not allowed")
        };
        let before = counter.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(LOG_ONE_IN) {
            let listener = self.settings.name;
            tracing::warn!(listener, %address, refused = before + 1, reason, "connection refused");
        }
        None
    }

    fn may_connect(&self, stream: &TcpStream, from: IpAddr) -> bool {
        let Some(allow) = &self.settings.allow else { return true };
        let is_own = || stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == from);
        allow.iter().any(|network| network.contains(&from)) || is_own()
    }
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    seat: Arc<Seat>,
    watcher: Watcher,
    patience: Patience,
) {
    match tls {
        None => answer_requests(stream, address, router, seat, watcher, patience).await,
        Some(tls) => match tokio::time::timeout(patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => answer_requests(stream, address, router, seat, watcher, patience).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn answer_requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    seat: Arc<Seat>,
    watcher: Watcher,
    patience: Patience,
) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        seat.set_busy();
        let mut request = request.map(|body| Body::new(Timely::new(body, patience.body)));
        request.extensions_mut().insert(ConnectInfo(address));
        // A router is always ready.
        let answered = router.clone().call(request);
        let seat = Arc::clone(&seat);
        async move { answered.await.map(|response: Response| response.map(|body| Answering::new(body, seat))) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Paced::new(stream, patience.write)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
