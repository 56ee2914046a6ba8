//! The handle to the connection with an Asterisk server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{COUNTERS, LinkMetrics};
use super::pending::Waiting;
use super::settings::{Settings, Timing};
use super::shared::{Command, Shared};
use super::state::LinkState;
use super::subscribers::LinkEvent;
use super::{Action, AmiError, Event, Message, keeper};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Registry;

/// Maximum number of actions waiting to be sent, beyond those that wait for an answer: a burst of changed peers fits,
/// and a surplus action is refused at once.
const MAX_WAITING: usize = 256;

/// A handle to one server's connection. Cloning is cheap; the connection is kept until the last handle is dropped or
/// the service stops.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<LinkState>,
    timing: Timing,
}

impl Link {
    /// Starts connecting, and keeps the connection until `stop`. The task ends with `stop` or with the last handle.
    pub fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (commands, asked) = mpsc::channel(MAX_WAITING);
        let shared = Arc::new(Shared::new(settings.server.clone()));
        let state = shared.watch();
        let timing = settings.timing;
        let task = tokio::spawn(keeper::keep(settings, Arc::clone(&shared), asked, clock, stop));
        (Self { shared, commands, state, timing }, task)
    }

    /// Returns the server's `systemname`.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// Returns the current state of the link.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// Reports whether the link is logged in.
    pub fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), LinkState::Up(_))
    }

    /// Returns a receiver of state changes.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Returns the time of the last byte from the server, its last proof of life, in milliseconds of the monotonic
    /// clock. While the link is up it is hardly more than two seconds old. 0 before the first byte.
    pub fn heard_ms(&self) -> u64 {
        self.shared.heard_ms.load(Ordering::Relaxed)
    }

    /// Returns the last proof of life of the session before the latest one, in the same milliseconds. A subscriber that
    /// receives `Up` reads this value: by then [`Link::heard_ms`] belongs to the new session, which may be another run
    /// of Asterisk. 0 if there was none.
    pub fn heard_before_ms(&self) -> u64 {
        self.shared.heard_before_ms()
    }

    /// Returns the link's counters.
    pub fn metrics(&self) -> &LinkMetrics {
        &self.shared.metrics
    }

    /// Executes an action; `Ok` is `Response: Success` (or `Goodbye`). Waits at most three seconds.
    ///
    /// Several actions may be in progress; they are executed in the order of the calls.
    pub async fn ask(&self, action: Action) -> Result<Message, AmiError> {
        let (answer, answered) = oneshot::channel();
        let name = action.name();
        let deadline = Instant::now() + self.timing.answer;
        self.send(Command { action, deadline, waiting: Waiting::One(answer) }, answered, name).await
    }

    /// Executes an action that is answered by a list, and returns the complete list or an error: the number of items
    /// must equal the count in the closing event, every item must carry our `ActionID`, none may be ambiguous, and no
    /// other block may come between them. Waits at most ten seconds. Returns the items without the first answer and the
    /// closing event; at most 120,000.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, AmiError> {
        let (answer, answered) = oneshot::channel();
        let name = action.name();
        let deadline = Instant::now() + self.timing.list;
        self.send(Command { action, deadline, waiting: Waiting::List(answer) }, answered, name).await
    }

    /// Subscribes to events from now on, with at most `depth` waiting. If the link is already up, that is the first
    /// event.
    pub fn subscribe(&self, depth: usize, wants: fn(&Event) -> bool) -> mpsc::Receiver<LinkEvent> {
        self.shared.with_subscribers(|subscribers| {
            let session = match self.state() {
                LinkState::Up(session) => Some(session),
                LinkState::Away { .. } => None,
            };
            subscribers.add(depth, wants, session)
        })
    }

    async fn send<T>(
        &self,
        command: Command,
        answered: oneshot::Receiver<Result<T, AmiError>>,
        action: &'static str,
    ) -> Result<T, AmiError> {
        let server = || self.shared.server.clone();
        if !self.is_up() {
            return Err(AmiError::Away { server: server() });
        }
        self.commands.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                LinkMetrics::count(&self.shared.metrics.busy);
                AmiError::Busy { server: server() }
            }
            mpsc::error::TrySendError::Closed(_) => AmiError::Away { server: server() },
        })?;
        answered.await.unwrap_or_else(|_| {
            Err(AmiError::Unanswered {
                server: server(),
                action: action.to_owned(),
                reason: "the connection's task ended".to_owned(),
            })
        })
    }
}

/// The links of all servers, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<[Link]>);

impl Links {
    /// Creates the set from these links.
    pub fn new(links: Vec<Link>) -> Self {
        Self(links.into())
    }

    /// Starts a link for every `[[asterisk]]` of the configuration.
    pub fn start(config: &Config, clock: &Arc<dyn Clock>, stop: &CancellationToken) -> (Self, LinkTasks) {
        let (links, tasks) = config
            .asterisk
            .iter()
            .map(|server| Link::start(Settings::from(server), Arc::clone(clock), stop.clone()))
            .unzip();
        (Self::new(links), LinkTasks { tasks, stop: stop.clone() })
    }

    /// Returns the link of a server.
    pub fn get(&self, server: &str) -> Option<&Link> {
        self.0.iter().find(|link| link.server() == server)
    }

    /// Iterates over all links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    /// Registers the metrics of the links, one sample for each server.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let label = |link: &Link| [link.server().to_owned()];
        let links = self.clone();
        registry.gauges(
            "tollgate_ami_up",
            "1 if the manager link is logged in, else 0",
            ["server"],
            move || links.iter().map(|link| (label(link), u64::from(link.is_up()))).collect(),
        );
        for (name, help, counter) in COUNTERS {
            let links = self.clone();
            registry.counters(name, help, ["server"], move || {
                links
                    .iter()
                    .map(|link| (label(link), counter(link.metrics()).load(Ordering::Relaxed)))
                    .collect()
            });
        }
    }
}

/// The tasks of the links.
#[derive(Debug)]
pub struct LinkTasks {
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl LinkTasks {
    /// Waits until the service stops and every link has logged off. An error names a task that crashed or ended early.
    pub async fn ended(self) -> Result<(), String> {
        if self.tasks.is_empty() {
            self.stop.cancelled().await;
        }
        for ended in futures_of(self.tasks).await {
            ended?;
        }
        if self.stop.is_cancelled() { Ok(()) } else { Err("it ended by itself".to_owned()) }
    }
}

/// Waits for all tasks, or returns early with the result of a task that ends before the stop.
async fn futures_of(tasks: Vec<JoinHandle<()>>) -> Vec<Result<(), String>> {
    use futures::stream::{FuturesUnordered, StreamExt as _};
    let mut running: FuturesUnordered<_> = tasks.into_iter().collect();
    let mut ended = Vec::new();
    while let Some(result) = running.next().await {
        let result = result.map_err(|error| error.to_string());
        let crashed = result.is_err();
        ended.push(result);
        if crashed {
            break;
        }
    }
    ended
}
