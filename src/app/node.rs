//! A serving process: its listeners, its tasks, and their orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tollgate_agi::{AllowList, Limits, Server};

use super::desk::{Desk, DeskError, FEED_ACCOUNT};
use super::{notify, ownership};
use crate::accounts::hashing::HASHER;
use crate::accounts::{money, topups};
use crate::ami::{Link, LinkState, Links};
use crate::api::server::TlsError;
use crate::api::{self, Api};
use crate::calls::follow::follow;
use crate::calls::reconcile::reconcile;
use crate::calls::steer::{Orders, steer};
use crate::calls::{self, Calls};
use crate::catalog::Catalog;
use crate::cli;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Reserve};
use crate::esim;
use crate::internal::folder::{BoundSocket, Listening};
use crate::internal::metrics::render_spool;
use crate::internal::server::{Backend, BoxFuture};
use crate::internal::{self, CommandAnswer, CommandRequest, LinkView, ServersView};
use crate::messaging::{Messaging, MessagingError};
use crate::peers::invalidate::{HangUpChannels, Invalidation};
use crate::peers::realtime::Realtime;
use crate::store::{StoreError, within};

/// How often the change feed is read.
const FEED_EVERY: Duration = Duration::from_millis(300);
/// How long the feed is waited for.
const FEED_PATIENCE: Duration = Duration::from_secs(10);
/// How long a database that is away is left alone before the spool is tried on it again.
const DRAIN_AGAIN: Duration = Duration::from_secs(1);
/// How often movements of money whose outcome is not known are asked about.
const FIND_OUT_EVERY: Duration = Duration::from_secs(1);
/// How often holds that nobody settled are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Sweeps between two looks for exchange rates that were set for a later date: a minute.
const FX_ROUNDS: u32 = 12;
/// Sweeps between two prunings of the feed: an hour.
const PRUNE_ROUNDS: u32 = 720;
/// How long changes are kept for processes that read them.
const FEED_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long requests under way may take when the process is told to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Why a process cannot serve, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The desk cannot be opened.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// An address cannot be listened on.
    #[error("{key} {address} cannot be listened on: {source}")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Messages cannot be sent.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// The open calls cannot be read.
    #[error("the open calls cannot be read: {0}")]
    Recover(StoreError),
    /// A part stopped that must run.
    #[error("{0} stopped: {1}")]
    Crashed(&'static str, String),
}

/// A process that serves.
pub struct Node {
    /// What it works with.
    pub desk: Arc<Desk>,
    /// Its calls.
    pub calls: Arc<Calls>,
    /// Its messages.
    pub messaging: Arc<Messaging>,
    /// Where FastAGI listens.
    pub fastagi: SocketAddr,
    /// Where the internal listener is.
    pub internal: SocketAddr,
    /// Where the public HTTP APIs are.
    pub http: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), NodeError>>,
    /// Its lock proves until the end that this process lives.
    _commands: BoundSocket,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("fastagi", &self.fastagi).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens everything, finds open calls again, and begins to serve.
    pub async fn start(config: Arc<Config>) -> Result<Self, NodeError> {
        Self::start_with(config, Arc::new(SystemClock::new())).await
    }

    /// As [`Node::start`], with the clock given.
    pub async fn start_with(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        tell_what_is_held(&config);
        let desk = Arc::new(Desk::open_with(Arc::clone(&config), clock).await?);
        let fastagi = listen("fastagi.listen", config.fastagi.listen).await?;
        let listener = listen("internal.listen", config.internal.listen).await?;
        let http = listen("http.listen", config.http.listen).await?;
        let mut commands = bind_commands(&config).await?;
        let tls = api::server::tls(&config.http)?;
        let (fastagi_at, internal_at, http_at) = (address(&fastagi), address(&listener), address(&http));
        // Whatever changes from here on is in the feed behind this position.
        let position = desk.store.feed_position().await.map_err(DeskError::from)?;
        // Facts are facts whoever owns: what an earlier run of this node kept goes to the book even where another one
        // owns by now. And before the balances are read.
        let emptied = desk.empty_spool().await;
        desk.take_ownership(Some(&commands)).await?;
        emptied?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        // From here on: loading may take longer than a lease lasts.
        {
            let (store, clock) = (desk.store.clone(), Arc::clone(&desk.clock));
            let (ownership, stop) = (Arc::clone(&desk.ownership), stop.clone());
            tasks.spawn(async move {
                let kept = ownership::keep(store, clock, ownership, stop).await;
                kept.map_err(|error| NodeError::Crashed("the ownership", error.to_string()))
            });
        }
        let loading = desk.store.head().await.map_err(DeskError::from)?.entry_id;
        let calls = Arc::clone(desk.live().await?);
        for server in &config.asterisk {
            calls.add_server(&server.name);
        }
        let recovered = calls.recover().await.map_err(NodeError::Recover)?;
        // What an earlier process wrote late is in neither the balances nor the holds.
        if desk.store.head().await.map_err(DeskError::from)?.entry_id != loading {
            return Err(NodeError::Crashed("the start", "the book changed while it was read".to_owned()));
        }
        // The last that asks the database: a start that it fails has served nobody.
        let (messaging, sending) = Messaging::start(Arc::clone(&desk), Arc::clone(&calls), &stop).await?;
        tasks.spawn(async move {
            sending.await.map_err(|error| NodeError::Crashed("the sending of messages", error))
        });
        tracing::info!(
            accounts = calls.directory.len(),
            calls.restored = recovered.restored,
            calls.dropped = recovered.dropped,
            fastagi.address = %fastagi_at,
            internal.address = %internal_at,
            internal.socket = %commands.address().path.display(),
            http.address = %http_at,
            owner.epoch = desk.ownership.epoch(),
            "serving"
        );

        let (links, linked) = Links::start(&config, &desk.clock, &stop);
        // Nobody else sets it.
        let _ = desk.links.set(links.clone());
        tasks.spawn(async move { linked.ended().await.map_err(|e| NodeError::Crashed("a manager link", e)) });
        control(&calls, &links, &stop, &mut tasks);

        let limits = Limits { connections: config.fastagi.max_connections, ..Limits::default() };
        let server = Server::new(limits, AllowList::new(config.fastagi.allow.clone()));
        {
            let (calls, stop) = (Arc::clone(&calls), stop.clone());
            let handler = move |session| calls::agi::handle(Arc::clone(&calls), session);
            tasks.spawn(async move {
                let ended = server.serve(fastagi, handler, stop.cancelled_owned()).await;
                ended.map_err(|error| NodeError::Crashed("the FastAGI server", error.to_string()))
            });
        }
        {
            let (directory, secrets) = (Arc::clone(&calls.directory), Arc::clone(&desk.secrets));
            let realtime = Arc::new(Realtime::new(&config, directory, secrets));
            let backend = Arc::new(Listener {
                desk: Arc::clone(&desk),
                calls: Arc::clone(&calls),
                messaging: Arc::clone(&messaging),
                realtime: Arc::clone(&realtime),
                links: links.clone(),
            });
            serve_commands(commands.listening(), &backend, &stop, &mut tasks);
            let stop = stop.clone();
            tasks.spawn(async move {
                let ended = internal::server::serve(listener, backend, realtime.router(), stop).await;
                ended.map_err(|error| NodeError::Crashed("the internal listener", error.to_string()))
            });
        }
        {
            let (desk, calls, stop) = (Arc::clone(&desk), Arc::clone(&calls), stop.clone());
            let messaging = Arc::clone(&messaging);
            tasks.spawn(async move {
                api::server::serve(http, tls, Api::new(desk, calls, messaging), stop).await;
                Ok(())
            });
        }
        tasks.spawn(invalidate_peers(&calls, &links, stop.clone()));
        keep_moving(&desk, &calls, position, &stop, &mut tasks);
        Ok(Self {
            desk,
            calls,
            messaging,
            fastagi: fastagi_at,
            internal: internal_at,
            http: http_at,
            stop,
            tasks,
            _commands: commands,
        })
    }

    /// Serves until `told` to stop, then ends in order. An error is a part that crashed.
    pub async fn run(mut self, told: impl Future<Output = ()>) -> Result<(), NodeError> {
        let mut outcome = tokio::select! {
            () = told => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(unexpected(ended)),
        };
        notify::stopping();
        self.calls.drain();
        self.stop.cancel();
        let ending = async {
            while let Some(ended) = self.tasks.join_next().await {
                let ended = ended.unwrap_or_else(|e| Err(NodeError::Crashed("a task", e.to_string())));
                if let Err(error) = ended
                    && outcome.is_ok()
                {
                    outcome = Err(error);
                }
            }
        };
        if tokio::time::timeout(STOP_PATIENCE, ending).await.is_err() {
            tracing::warn!("requests were still under way when the process stopped");
            self.tasks.abort_all();
        }
        self.desk.close().await;
        outcome
    }
}

fn unexpected(ended: Result<Result<(), NodeError>, tokio::task::JoinError>) -> NodeError {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => NodeError::Crashed("a task", "it ended by itself".to_owned()),
        Err(error) => NodeError::Crashed("a task", error.to_string()),
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| NodeError::Listen { key, address, source })
}

fn address(listener: &TcpListener) -> SocketAddr {
    // A bound socket has an address.
    listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// Serves the command socket until `stop`.
fn serve_commands(
    socket: Option<Listening>,
    backend: &Arc<Listener>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let Some(socket) = socket else { return };
    let (backend, stop) = (Arc::clone(backend), stop.clone());
    tasks.spawn(async move {
        let ended = internal::commands::serve(socket, backend, stop).await;
        ended.map_err(|error| NodeError::Crashed("the command socket", error.to_string()))
    });
}

/// Binds the command socket.
async fn bind_commands(config: &Config) -> Result<BoundSocket, DeskError> {
    Ok(BoundSocket::bind(&config.command_socket(), &config.key_file()).await?)
}

/// Says where calls are held whole although they were to be held by slices.
fn tell_what_is_held(config: &Config) {
    if config.credit.reserve == Reserve::Slice && config.asterisk.is_empty() {
        tracing::info!(
            "no [[asterisk]] is configured: calls cannot be metered, and the whole grant of each is held"
        );
    }
}

/// What goes on without anybody asking: the feed behind `position` is followed, ends that wait are written, top-ups made,
/// orders of data packages completed, systemd told.
fn keep_moving(
    desk: &Arc<Desk>,
    calls: &Arc<Calls>,
    position: i64,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    tasks.spawn(follow_feed(Arc::clone(desk), Arc::clone(calls), position, stop.clone()));
    tasks.spawn(watch_writer(Arc::clone(desk), stop.clone()));
    tasks.spawn(sweep(Arc::clone(calls), stop.clone()));
    tasks.spawn(drain(Arc::clone(calls), stop.clone()));
    tasks.spawn(notify::watchdog(stop.clone()));
    let topping_up = topups::carry_out(Arc::clone(desk), Arc::clone(calls), stop.clone());
    spawn_until(tasks, "the top-ups", stop, topping_up);
    let finding_out = find_out(Arc::clone(desk), stop.clone());
    spawn_until(tasks, "the asking about movements of money", stop, finding_out);
    spawn_until(tasks, "the eSIM worker", stop, esim::worker::run(Arc::clone(desk), stop.clone()));
}

/// Follows, steers and reconciles the calls of every server.
fn control(
    calls: &Arc<Calls>,
    links: &Links,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    if links.iter().next().is_none() {
        return;
    }
    for link in links.iter() {
        let look = Arc::new(Notify::new());
        let following = follow(Arc::clone(calls), link.clone(), Arc::clone(&look), stop.clone());
        spawn_until(tasks, "what follows a control link", stop, following);
        let looking = reconcile(Arc::clone(calls), link.clone(), look, stop.clone());
        spawn_until(tasks, "the reconciliation of a server", stop, looking);
    }
    let (orders, given) = Orders::queue();
    calls.take_orders_to(orders);
    let steering = steer(Arc::clone(calls), links.clone(), given, stop.clone());
    spawn_until(tasks, "the meter", stop, steering);
}

/// Runs a task that ends with `stop` and not before.
fn spawn_until(
    tasks: &mut JoinSet<Result<(), NodeError>>,
    name: &'static str,
    stop: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        task.await;
        if stop.is_cancelled() {
            Ok(())
        } else {
            Err(NodeError::Crashed(name, "it ended by itself".to_owned()))
        }
    });
}

/// Tells every Asterisk what changes of peers.
fn invalidate_peers(
    calls: &Arc<Calls>,
    links: &Links,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), NodeError>> + use<> {
    let invalidation =
        Invalidation { directory: Arc::clone(&calls.directory), hang_up: Arc::new(HangUpChannels) };
    let mut telling = invalidation.start(links, &stop);
    async move {
        while let Some(ended) = telling.join_next().await {
            ended.map_err(|error| NodeError::Crashed("the telling of peers", error.to_string()))?;
        }
        stop.cancelled().await;
        Ok(())
    }
}

/// Takes in what other processes, and this one's own commands, have changed.
async fn follow_feed(
    desk: Arc<Desk>,
    calls: Arc<Calls>,
    mut position: i64,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let mut away = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(FEED_EVERY) => {}
        }
        match take_in(&desk, &calls, position).await {
            Ok(newer) => {
                position = newer;
                away = false;
            }
            Err(error) => {
                if !away {
                    tracing::warn!(%error, "the change feed could not be read");
                }
                away = true;
            }
        }
    }
}

/// Reads the feed from a position on; returns the position it got to.
async fn take_in(desk: &Desk, calls: &Calls, mut position: i64) -> Result<i64, String> {
    loop {
        let changes =
            within(FEED_PATIENCE, desk.store.changes_since(position)).await.map_err(|e| e.to_string())?;
        let Some(last) = changes.last() else { return Ok(position) };
        if changes.iter().any(|change| Catalog::concerns(&change.kind)) {
            calls.catalog.refresh().await.map_err(|e| e.to_string())?;
        }
        for change in changes.iter().filter(|change| change.kind == FEED_ACCOUNT) {
            desk.account_changed(change.item_id).await.map_err(|e| e.to_string())?;
        }
        position = last.position;
    }
}

/// The book's writer must not end before the process does.
async fn watch_writer(desk: Arc<Desk>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        if desk.writer_has_ended().await {
            return Err(NodeError::Crashed("the ledger's writer", "it ended by itself".to_owned()));
        }
    }
}

/// Lets the wallets follow movements of money whose outcome was not known, as soon as the book answers.
async fn find_out(desk: Arc<Desk>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FIND_OUT_EVERY) => {}
        }
        if let Err(error) = within(FEED_PATIENCE, money::find_out(&desk)).await {
            tracing::debug!(%error, "it is not known yet what became of a movement of money");
        }
    }
}

/// Writes what the spool keeps as soon as the database is back.
async fn drain(calls: Arc<Calls>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        let drained = async {
            calls.spool.filled().await;
            if let Err(error) = calls.drain_spool().await {
                // The spool has told of the outage, and the writer of the database's answer.
                tracing::debug!(%error, "the spool cannot be drained yet");
                tokio::time::sleep(DRAIN_AGAIN).await;
            }
        };
        // Given up at any point it loses nothing: what was written and not forgotten is written again, once.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = drained => {}
        }
    }
}

/// Ends what nobody settled, and now and then forgets changes that every process has long taken in.
async fn sweep(calls: Arc<Calls>, stop: CancellationToken) -> Result<(), NodeError> {
    let mut rounds = 0_u32;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP_EVERY) => calls.sweep().await,
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(FX_ROUNDS) {
            let repriced = calls.catalog.reprice(calls.clock.now()).await;
            match repriced {
                Ok(tariffs) if tariffs.is_empty() => {}
                Ok(tariffs) => tracing::info!(?tariffs, "a dated exchange rate is in force now"),
                Err(error) => tracing::warn!(%error, "exchange rates could not be looked at"),
            }
        }
        if rounds.is_multiple_of(PRUNE_ROUNDS)
            && let Ok(before) = calls.clock.now().checked_sub(FEED_KEPT)
            && let Err(error) = calls.store.prune_feed(before).await
        {
            tracing::warn!(%error, "old changes stay in the feed until the next try");
        }
    }
}

/// The service behind the internal listener and the command socket.
struct Listener {
    desk: Arc<Desk>,
    calls: Arc<Calls>,
    messaging: Arc<Messaging>,
    realtime: Arc<Realtime>,
    links: Links,
}

impl Backend for Listener {
    fn health(&self) -> Result<(), String> {
        if self.calls.admits(self.desk.clock.monotonic_ms()) {
            Ok(())
        } else {
            Err("calls are refused: the ownership could not be renewed or the process is stopping".to_owned())
        }
    }

    fn metrics(&self) -> String {
        let mut text = self.desk.metrics.render(self.calls.open_calls());
        text.push_str(&render_spool(self.calls.spool.counters()));
        text.push_str(&self.realtime.metrics());
        text.push_str(&self.links.metrics_text());
        text.push_str(&self.messaging.metrics_text());
        text.push_str(&HASHER.metrics_text());
        text
    }

    fn servers(&self) -> ServersView {
        let view = |link: &Link| LinkView {
            server: link.server().to_owned(),
            away: match link.state() {
                LinkState::Up(_) => None,
                LinkState::Away { reason } => Some(reason),
            },
        };
        let (reads, refused) = self.realtime.reads();
        ServersView { links: self.links.iter().map(view).collect(), reads, refused }
    }

    fn metrics_token_is_right(&self, token: &str) -> bool {
        use hmac::digest::CtOutput;
        use sha2::{Digest as _, Sha256};
        // Digests are compared, in constant time: neither length nor content of the token shows in the time taken.
        let digest = |text: &str| CtOutput::<Sha256>::new(Sha256::digest(text.as_bytes()));
        let shown = digest(token);
        self.desk.metrics_tokens().iter().any(|token| shown == digest(token))
    }

    fn command(self: Arc<Self>, request: CommandRequest) -> BoxFuture<CommandAnswer> {
        // A task of its own: whoever asked may go away, what was begun is carried to its end.
        let running = tokio::spawn(async move {
            let answer = cli::run_for_listener(&self.desk, request).await;
            // What the command changed is in force when its answer arrives.
            if let Err(error) = self.calls.catalog.refresh().await {
                tracing::warn!(%error, "the catalogue could not be read again");
            }
            answer
        });
        Box::pin(async move {
            running.await.unwrap_or_else(|error| CommandAnswer {
                status: 1,
                json: serde_json::json!({ "error": "the command crashed", "code": "crashed" }),
                text: format!("error: the command crashed: {error}"),
            })
        })
    }

    fn catch_up(self: Arc<Self>) -> BoxFuture<Result<(), String>> {
        Box::pin(async move { self.calls.catalog.refresh().await.map_err(|error| error.to_string()) })
    }
}
