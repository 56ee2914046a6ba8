//! A serving process: its listeners, its tasks, and their orderly shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tollgate_agi::{AllowList, Limits, Server};

pub use super::error::NodeError;
use super::metrics;
use super::notify;
use super::requests::Requests;
use super::sockets::{self, Sockets};
use super::tasks::{keep_moving, spawn_until};
use crate::ami::{Link, LinkState, Links};
use crate::api::{self, Api};
use crate::calls::follow::follow;
use crate::calls::orders::Orders;
use crate::calls::reconcile::reconcile;
use crate::calls::steer::steer;
use crate::calls::{self, Calls};
use crate::clock::{Clock, SystemClock};
use crate::commands::{self, Owner};
use crate::config::{Config, Reserve};
use crate::control::folder::{BoundSocket, Listening};
use crate::control::{CommandAnswer, CommandRequest, LinkView, ServersView};
use crate::esim::Esim;
use crate::internal;
use crate::internal::server::{Backend, BoxFuture};
use crate::listen;
use crate::messaging::Messaging;
use crate::metrics::Registry;
use crate::peers::invalidate::{HangUpChannels, Invalidation};
use crate::peers::realtime::Realtime;
use crate::secrets::tokens_match;
use crate::services::ownership;
use crate::services::{ServiceError, Services};

/// How long requests in progress may take after the process is asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A process that serves.
pub struct Node {
    /// Shared services.
    pub services: Arc<Services>,
    /// Calls.
    pub calls: Arc<Calls>,
    /// Messages.
    pub messaging: Arc<Messaging>,
    /// Sale of eSIMs.
    pub esim: Arc<Esim>,
    /// Address of the FastAGI listener.
    pub fastagi: SocketAddr,
    /// Address of the internal listener.
    pub internal: SocketAddr,
    /// Address of the public HTTP listener.
    pub http: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), NodeError>>,
    /// Runtime of everything except calls; its threads end with this value.
    pub requests: Requests,
    /// Its lock proves until the end that this process lives.
    _commands: BoundSocket,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("fastagi", &self.fastagi).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens everything, recovers open calls, and begins to serve.
    pub async fn start(config: Arc<Config>) -> Result<Self, NodeError> {
        Self::start_with(config, Arc::new(SystemClock::new())).await
    }

    /// Like [`Node::start`], with the given clock.
    pub async fn start_with(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        tell_what_is_held(&config);
        let requests = Requests::start().map_err(NodeError::Threads)?;
        let fit = sockets::fit(&config);
        let services = Arc::new(Services::open_with(Arc::clone(&config), clock).await?);
        services.store.separate_requests(requests.handle()).await.map_err(ServiceError::from)?;
        // Before anything is bound or acquired: from here on commands of this installation wait for this server.
        services.lock_for_server().await?;
        let fastagi = listen("fastagi.listen", config.fastagi.listen).await?;
        let listener = listen("internal.listen", config.internal.listen).await?;
        let http = listen("http.listen", config.http.listen).await?;
        let mut commands = bind_commands(&config).await?;
        let tls = api::server::tls(&config.http)?;
        let (fastagi_at, internal_at, http_at) = (address(&fastagi), address(&listener), address(&http));
        // Changes from here on are in the feed after this position.
        let position = services.store.feed_position().await.map_err(ServiceError::from)?;
        // Recorded facts are valid under any owner: records kept by an earlier run of this node go to the ledger even
        // if another node is the owner by now. This happens before the balances are read.
        services.empty_spool().await?;
        services.take_ownership(Some(&commands)).await?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        // From here on: loading may take longer than the lease lasts.
        renew_ownership(&services, &stop, &mut tasks).await?;
        let loading = services.store.head().await.map_err(ServiceError::from)?.entry_id;
        let calls = Calls::start(&services).await?;
        for server in &config.asterisk {
            calls.add_server(&server.name);
        }
        let recovered = calls.recover().await.map_err(NodeError::Recover)?;
        // Entries that an earlier process wrote late are in neither the balances nor the holds.
        if services.store.head().await.map_err(ServiceError::from)?.entry_id != loading {
            return Err(NodeError::Crashed("the start", "the book changed while it was read".to_owned()));
        }
        // The last step that needs the database: if it fails, the start has served no request.
        let esim = Arc::new(Esim::new(Arc::clone(&services)));
        let messaging = start_messaging(&services, &stop, &requests, &mut tasks).await?;
        tracing::info!(
            accounts = calls.directory.len(),
            calls.restored = recovered.restored,
            calls.dropped = recovered.dropped,
            fastagi.address = %fastagi_at,
            internal.address = %internal_at,
            internal.socket = %commands.address().path.display(),
            http.address = %http_at,
            owner.epoch = services.ownership.epoch(),
            "serving"
        );

        let (links, linked) = Links::start(&config, &services.clock, &stop);
        // Nothing else sets it.
        let _ = services.links.set(links.clone());
        tasks.spawn(async move { linked.ended().await.map_err(|e| NodeError::Crashed("a manager link", e)) });
        control(&calls, &links, &stop, &mut tasks);

        let server = fastagi_server(&config, fit.fastagi);
        let listener =
            listen::Listener::new(listener, internal::server::settings(&config, fit.internal_caps(&config)));
        let settings = api::server::settings(&config.http, fit.http_caps(&config));
        let meter = listen::Meter::new(&settings);
        let meters = vec![listener.meter(), Arc::clone(&meter)];
        let sockets = Arc::new(Sockets::new(fit, server.counters(), meters));
        serve_fastagi(server, fastagi, &calls, &stop, &mut tasks);
        {
            let parts = (&services, &calls, &messaging, &esim);
            let backend = Arc::new(Listener::new(parts, links.clone(), sockets, requests.handle()).await?);
            let realtime = Arc::clone(&backend.realtime);
            serve_commands(commands.listening(), &backend, &stop, &mut tasks);
            let stop = stop.clone();
            tasks.spawn(async move {
                internal::server::serve(listener, backend, realtime.router(), stop).await;
                Ok(())
            });
        }
        let api =
            Api::new(Arc::clone(&services), Arc::clone(&calls), Arc::clone(&messaging), Arc::clone(&esim));
        let serving = {
            let stop = stop.clone();
            requests.handle().spawn(async move {
                let http = listen::Listener::metered(listener_here(http)?, settings, meter);
                api::server::serve(http, tls, api, stop).await;
                Ok::<_, std::io::Error>(())
            })
        };
        tasks.spawn(async move {
            let crashed = |error: String| NodeError::Crashed("the HTTP APIs", error);
            serving.await.map_err(|e| crashed(e.to_string()))?.map_err(|e| crashed(e.to_string()))
        });
        tasks.spawn(invalidate_peers(&calls, &links, stop.clone()));
        keep_moving((&services, &calls, &esim), position, &requests, &stop, &mut tasks);
        Ok(Self {
            services,
            calls,
            messaging,
            esim,
            fastagi: fastagi_at,
            internal: internal_at,
            http: http_at,
            stop,
            tasks,
            requests,
            _commands: commands,
        })
    }

    /// Serves until `told` completes, then shuts down in order. An error names a part that crashed.
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
        self.services.close().await;
        drop(self.requests);
        outcome
    }
}

/// Renews the lease until the process stops; a lost ownership ends the process.
async fn renew_ownership(
    services: &Services,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<(), NodeError> {
    let (store, clock) = (services.store.clone(), Arc::clone(&services.clock));
    let (ownership, stop) = (Arc::clone(&services.ownership), stop.clone());
    let ledger = services.ledger().await?.clone();
    tasks.spawn(async move {
        let kept = ownership::keep(store, clock, ownership, ledger, stop).await;
        kept.map_err(|error| NodeError::Crashed("the ownership", error.to_string()))
    });
    Ok(())
}

/// Builds the FastAGI server as configured, with at most `connections` connections.
fn fastagi_server(config: &Config, connections: usize) -> Server {
    let per_address = config.fastagi.connections_per_address;
    let limits = Limits { connections, per_address, ..Limits::default() };
    Server::new(limits, AllowList::new(config.fastagi.allow.clone()))
}

/// Answers Asterisk's requests until the process stops.
fn serve_fastagi(
    server: Server,
    listener: TcpListener,
    calls: &Arc<Calls>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let (calls, stop) = (Arc::clone(calls), stop.clone());
    let handler = move |session| calls::agi::handle(Arc::clone(&calls), session);
    tasks.spawn(async move {
        let ended = server.serve(listener, handler, stop.cancelled_owned()).await;
        ended.map_err(|error| NodeError::Crashed("the FastAGI server", error.to_string()))
    });
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
async fn bind_commands(config: &Config) -> Result<BoundSocket, ServiceError> {
    Ok(BoundSocket::bind(&config.command_socket(), &config.key_file()).await?)
}

/// Moves a listener that was bound on the calls' runtime to the runtime this function runs on.
fn listener_here(listener: TcpListener) -> std::io::Result<TcpListener> {
    TcpListener::from_std(listener.into_std()?)
}

/// Starts the sending of messages on the runtime of requests.
async fn start_messaging(
    services: &Arc<Services>,
    stop: &CancellationToken,
    requests: &Requests,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<Arc<Messaging>, NodeError> {
    let crashed = |error: String| NodeError::Crashed("the sending of messages", error);
    let (services, stop) = (Arc::clone(services), stop.clone());
    let starting = requests.handle().spawn(async move { Messaging::start(services, &stop).await });
    let (messaging, sending) = starting.await.map_err(|error| crashed(error.to_string()))??;
    let sending = requests.handle().spawn(sending);
    tasks.spawn(async move { sending.await.unwrap_or_else(|error| Err(error.to_string())).map_err(crashed) });
    Ok(messaging)
}

/// Logs where calls are held whole although the configuration asks for slices.
fn tell_what_is_held(config: &Config) {
    if config.credit.reserve == Reserve::Slice && config.asterisk.is_empty() {
        tracing::info!(
            "no [[asterisk]] is configured: calls cannot be metered, and the whole grant of each is held"
        );
    }
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
    let here = Handle::current();
    for link in links.iter() {
        let look = Arc::new(Notify::new());
        let following = follow(Arc::clone(calls), link.clone(), Arc::clone(&look), stop.clone());
        spawn_until(tasks, &here, "what follows a control link", stop, following);
        let looking = reconcile(Arc::clone(calls), link.clone(), look, stop.clone());
        spawn_until(tasks, &here, "the reconciliation of a server", stop, looking);
    }
    let (orders, given) = Orders::queue();
    calls.take_orders_to(orders);
    let steering = steer(Arc::clone(calls), links.clone(), given, stop.clone());
    spawn_until(tasks, &here, "the meter", stop, steering);
}

/// Notifies every Asterisk of changes to peers.
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

/// The service behind the internal listener and the command socket.
struct Listener {
    services: Arc<Services>,
    esim: Arc<Esim>,
    calls: Arc<Calls>,
    registry: Registry,
    realtime: Arc<Realtime>,
    links: Links,
    /// Runtime that executes commands: a long listing must not delay a call.
    requests: Handle,
    sockets: Arc<Sockets>,
}

impl Listener {
    async fn new(
        (services, calls, messaging, esim): (&Arc<Services>, &Arc<Calls>, &Arc<Messaging>, &Arc<Esim>),
        links: Links,
        sockets: Arc<Sockets>,
        requests: &Handle,
    ) -> Result<Self, NodeError> {
        let (directory, secrets) = (Arc::clone(&calls.directory), Arc::clone(&services.secrets));
        let realtime = Arc::new(Realtime::new(&services.config, directory, secrets));
        let registry = metrics::registry(&metrics::Sources {
            metrics: &services.metrics,
            ledger: services.ledger().await?,
            calls,
            messaging,
            realtime: &realtime,
            links: &links,
            sockets: &sockets,
        });
        let (services, calls, requests) = (Arc::clone(services), Arc::clone(calls), requests.clone());
        let esim = Arc::clone(esim);
        Ok(Self { services, esim, calls, registry, realtime, links, requests, sockets })
    }
}

impl Backend for Listener {
    fn health(&self) -> Result<(), String> {
        if self.calls.admits() {
            Ok(())
        } else {
            Err("calls are refused: the ownership could not be renewed or the process is stopping".to_owned())
        }
    }

    fn metrics(&self) -> String {
        self.registry.encode().unwrap_or_else(|error| {
            tracing::error!(%error, "metrics could not be written");
            String::new()
        })
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
        let sockets = Some(self.sockets.view());
        ServersView { links: self.links.iter().map(view).collect(), reads, refused, sockets }
    }

    fn metrics_token_is_right(&self, token: &str) -> bool {
        self.services.metrics_tokens().iter().any(|expected| tokens_match(token, expected))
    }

    fn command(self: Arc<Self>, request: CommandRequest) -> BoxFuture<CommandAnswer> {
        // A separate task: the caller may go away, but a started command runs to its end.
        let runtime = self.requests.clone();
        let running = runtime.spawn(async move {
            let owner = Owner { services: &self.services, esim: &self.esim, calls: Some(&self.calls) };
            let answer = commands::run_request(owner, &request).await;
            // The command's changes are in force when its answer arrives.
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
        let runtime = self.requests.clone();
        let refreshing = runtime.spawn(async move { self.calls.catalog.refresh().await });
        Box::pin(async move {
            let refreshed = refreshing.await.map_err(|error| error.to_string())?;
            refreshed.map_err(|error| error.to_string())
        })
    }
}
