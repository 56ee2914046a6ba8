//! HTTP listeners: which connections are kept, and how long each part of one may take.
//!
//! A connection is accepted at once, always: it is kept, or closed before anything is read. So no caller waits in the
//! kernel's queue, and what waits longest goes first where there are too many (`seats`).

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

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Log lines about refused connections, at most one in so many.
const LOG_ONE_IN: u64 = 1_000;

/// How long each part of a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A TLS handshake.
    pub handshake: Duration,
    /// A request's head, all of it, and the idle time before it.
    pub head: Duration,
    /// A request's body, all of it.
    pub body: Duration,
    /// Waits for the other side to take what is sent, in all; taking 4 KiB a second gives it back.
    pub write: Duration,
    /// Requests under way when the listener stops.
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

/// How a listener treats connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in metrics and the log.
    pub name: &'static str,
    /// How many connections it keeps.
    pub caps: Caps,
    /// Networks that connections are taken from, beside this machine's own address; any where there are none.
    pub allow: Option<Vec<IpNet>>,
    /// Proxies: a share does not bound their connections, the cap does.
    pub proxies: Vec<IpNet>,
    /// How long each part may take.
    pub patience: Patience,
}

/// A listener that is ready to serve.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    settings: Settings,
    meter: Arc<Meter>,
}

/// What a listener counts.
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

/// A line of the connection metrics.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The listener.
    pub listener: &'static str,
    /// Connections at once, at most.
    pub cap: usize,
    /// Open ones.
    pub open: usize,
    /// Waiting ones that were closed for others.
    pub evicted: u64,
    /// Refused: the address is not allowed.
    pub refused_address: u64,
    /// Refused: the address has its share.
    pub refused_share: u64,
    /// Refused: the listener is full.
    pub refused_full: u64,
    /// Refused: the process has no file descriptor.
    pub refused_descriptors: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// The address that was last refused for not being allowed.
    pub last_refused: Option<IpAddr>,
}

impl Meter {
    /// For a listener with these settings.
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

    /// The counts now.
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

/// Registers the metrics of all listeners, whose counts `counted` reads.
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
    /// A listener with these settings.
    pub fn new(tcp: TcpListener, settings: Settings) -> Self {
        let meter = Meter::new(&settings);
        Self::metered(tcp, settings, meter)
    }

    /// A listener that counts with this meter, which was made for the same settings.
    pub fn metered(tcp: TcpListener, settings: Settings, meter: Arc<Meter>) -> Self {
        Self { tcp, settings, meter }
    }

    /// What it counts.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Its address.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `shutdown`; requests under way then have some seconds.
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

    /// A seat for a connection, if its address may have one.
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
