//! Accepts connections and hands each, its environment read, to a handler.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::accept::{AcceptCounters, Acceptor};
use crate::allow::AllowList;
use crate::places::{NoPlace, Place, Places};
use crate::session::{Session, SessionError, SessionLimits};

/// Connections served at once, by default. One lasts a few milliseconds, so this is far above what any Asterisk can
/// open; it bounds memory (about 8 KiB each) when something goes wrong.
pub const MAX_CONNECTIONS: usize = 2_048;

/// Short beside every deadline of a session, long beside everything that costs anything.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Log lines about refused connections, at most one in so many: a scanner must not fill the disk.
const LOG_ONE_IN: u64 = 1_000;

/// What a server allows itself and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more is closed as soon as it is accepted, nothing read: the dialplan then refuses the
    /// call within milliseconds. Left in the kernel's queue it would hang, for Asterisk waits without limit.
    pub connections: usize,
    /// Connections of one address at once; without a number as many as it leaves free, so that whatever one address
    /// does, another one finds places.
    pub per_address: Option<usize>,
    /// Deadlines of each session.
    pub session: SessionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: MAX_CONNECTIONS, per_address: None, session: SessionLimits::default() }
    }
}

/// What a server has seen since it started.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    refused_address: AtomicU64,
    refused_full: AtomicU64,
    refused_share: AtomicU64,
    refused_environment: AtomicU64,
    open: AtomicUsize,
    accept: AcceptCounters,
}

impl Counters {
    /// Connections accepted from allowed addresses, refused ones included.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections closed because their address is not on the list.
    pub fn refused_address(&self) -> u64 {
        self.refused_address.load(Ordering::Relaxed)
    }

    /// Connections closed because there were too many.
    pub fn refused_full(&self) -> u64 {
        self.refused_full.load(Ordering::Relaxed)
    }

    /// Connections closed because their address had its share.
    pub fn refused_share(&self) -> u64 {
        self.refused_share.load(Ordering::Relaxed)
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections closed because their environment was refused or did not come in time.
    pub fn refused_environment(&self) -> u64 {
        self.refused_environment.load(Ordering::Relaxed)
    }

    /// Failed accepts.
    pub fn accept_errors(&self) -> u64 {
        self.accept.errors()
    }

    /// Connections closed because the process had no file descriptor for them.
    pub fn refused_descriptors(&self) -> u64 {
        self.accept.out_of_descriptors()
    }
}

/// Why a server ended other than by being told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// A handler panicked. What it had in hand is unknown, so the process should end and be started anew.
    #[error("a FastAGI handler panicked")]
    HandlerPanicked,
}

/// Serves `FastAGI` on `listener` until `shutdown` is done; [`Server`] with counters nobody reads.
pub async fn serve<H, F>(
    listener: TcpListener,
    limits: Limits,
    allow: AllowList,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    H: Fn(Session) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Server::new(limits, allow).serve(listener, handler, shutdown).await
}

/// A `FastAGI` server.
///
/// A connection from an address that is not allowed, or one too many, is closed at once. For the others a task reads
/// the environment and calls the handler; when the handler is done the connection is closed, and the dialplan goes
/// on. A handler is never cut off: every wait on Asterisk has its deadline in the session, the handler's own work has
/// whatever deadline it sets itself.
///
/// # Example
///
/// ```
/// use tollgate_agi::{AllowList, Limits, Server, Session, client::Call, command::SetVariable};
///
/// async fn answer(mut session: Session) {
///     let greeting = format!("hello {}", session.environment().arg(1).unwrap_or("world"));
///     let _ = session.send(&SetVariable { name: "GREETING", value: &greeting }).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = Server::new(Limits::default(), AllowList::loopback());
/// let serving = tokio::spawn(server.serve(listener, answer, async { drop(stopped.await) }));
///
/// let outcome = Call::new("agi://127.0.0.1/hello").arg("alice").run(address).await?;
/// assert_eq!(outcome.variable("GREETING"), Some("hello alice"));
///
/// drop(stop);
/// serving.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    allow: AllowList,
    counters: Arc<Counters>,
}

/// What every connection's task shares.
struct Shared<H> {
    handler: H,
    limits: SessionLimits,
    counters: Arc<Counters>,
    panicked: AtomicBool,
    panic_seen: Notify,
}

impl Server {
    /// A server with these limits, for these addresses.
    #[must_use]
    pub fn new(limits: Limits, allow: AllowList) -> Self {
        Self { limits, allow, counters: Arc::default() }
    }

    /// What the server sees; take it before [`Server::serve`].
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `shutdown` is done, then closes the listener and waits for the sessions that are under way.
    pub async fn serve<H, F>(
        self,
        listener: TcpListener,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError>
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        // A command longer than a packet would wait for an acknowledgement, up to 40 ms. Connections have it from
        // their listener, which saves a system call for each.
        if let Err(error) = SockRef::from(&listener).set_tcp_nodelay(true) {
            tracing::warn!(%error, "FastAGI commands may be delayed: TCP_NODELAY cannot be set");
        }
        let shared = Arc::new(Shared {
            handler,
            limits: self.limits.session,
            counters: Arc::clone(&self.counters),
            panicked: AtomicBool::new(false),
            panic_seen: Notify::new(),
        });
        let tasks = TaskTracker::new();
        tokio::select! {
            () = self.accept(&listener, &shared, &tasks) => {}
            () = shutdown => {}
            () = shared.panic_seen.notified() => {}
            () = heartbeat() => {}
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
        if shared.panicked.load(Ordering::Acquire) { Err(ServeError::HandlerPanicked) } else { Ok(()) }
    }

    /// Accepts until it is dropped.
    async fn accept<H, F>(&self, listener: &TcpListener, shared: &Arc<Shared<H>>, tasks: &TaskTracker)
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let places = Places::new(self.limits.connections, self.limits.per_address);
        let mut acceptor = Acceptor::new("fastagi", listener, &self.counters.accept);
        loop {
            let (stream, peer) = acceptor.accept().await;
            if let Some(place) = self.admit(peer, &places) {
                self.counters.open.fetch_add(1, Ordering::Relaxed);
                tasks.spawn(converse(stream, peer, Arc::clone(shared), place));
            }
        }
    }

    /// A place for a connection, if its address is allowed and there is one.
    fn admit(&self, peer: SocketAddr, places: &Arc<Places>) -> Option<Place> {
        if !self.allow.contains(peer.ip()) {
            let before = self.counters.refused_address.fetch_add(1, Ordering::Relaxed);
            if before.is_multiple_of(LOG_ONE_IN) {
                tracing::warn!(%peer, refused = before + 1, "FastAGI connection from an address that is not allowed");
            }
            return None;
        }
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let (counter, reason) = match places.take(peer.ip()) {
            Ok(place) => return Some(place),
            Err(NoPlace::Full) => (&self.counters.refused_full, "too many FastAGI connections at once"),
            Err(NoPlace::Share) => {
                (&self.counters.refused_share, "too many FastAGI connections of one address")
            }
        };
        let before = counter.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(LOG_ONE_IN) {
            tracing::error!(%peer, refused = before + 1, open = places.taken(), "{reason}");
        }
        None
    }
}

/// Keeps a timer standing that is due before any session's.
///
/// Tokio interrupts its own wait, by a write and a read on a descriptor, whenever a timer becomes the one that is due
/// first. Without this one that happens at nearly every wait of every session (two calls in three, measured), and
/// costs more than parsing the request does.
async fn heartbeat() {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
    }
}

/// One connection, from its first byte to its last.
async fn converse<H, F>(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared<H>>, place: Place)
where
    H: Fn(Session) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let alarm = PanicAlarm(&shared);
    match Session::open(stream, peer, shared.limits).await {
        Ok(session) => (shared.handler)(session).await,
        Err(error) => {
            let before = shared.counters.refused_environment.fetch_add(1, Ordering::Relaxed);
            // A connection that closes before it says anything is a port check, not an event.
            if matches!(error, SessionError::Closed) {
                tracing::debug!(%peer, "FastAGI connection closed before its environment was complete");
            } else if before.is_multiple_of(LOG_ONE_IN) || !matches!(error, SessionError::TimedOut(_)) {
                tracing::warn!(%peer, %error, "FastAGI request refused");
            }
        }
    }
    drop(alarm);
    shared.counters.open.fetch_sub(1, Ordering::Relaxed);
    drop(place);
}

/// Tells the server when the task that holds it panics.
struct PanicAlarm<'a, H>(&'a Shared<H>);

impl<H> Drop for PanicAlarm<'_, H> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked.store(true, Ordering::Release);
            self.0.panic_seen.notify_one();
        }
    }
}
