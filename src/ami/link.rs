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

/// Actions that wait to be sent, beyond those that wait for an answer: a burst of changed peers fits, and one that does
/// not is turned away at once.
const MAX_WAITING: usize = 256;

/// A handle to one server's connection. Cloning is cheap; the connection is kept until the last handle is dropped, or the
/// service stops.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<LinkState>,
    timing: Timing,
}

impl Link {
    /// Begins to connect, and keeps connected until `stop`. The task ends with `stop`, or with the last handle.
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

    /// The server's `systemname`.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// How the link is now.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// Whether it is logged in now.
    pub fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), LinkState::Up(_))
    }

    /// To wait for changes of the state.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// When the server was last heard, by the monotonic clock, in milliseconds: its last proof of life. While the link is
    /// up it is hardly more than two seconds old. 0 before the first byte.
    pub fn heard_ms(&self) -> u64 {
        self.shared.heard_ms.load(Ordering::Relaxed)
    }

    /// The last proof of life of the session before the latest one, in the same milliseconds. Whoever is told `Up` asks for it: by then [`Link::heard_ms`] is of the new session, and that
    /// may be another run of Asterisk. 0 if there was none.
    pub fn heard_before_ms(&self) -> u64 {
        self.shared.heard_before_ms()
    }

    /// What the link counts.
    pub fn metrics(&self) -> &LinkMetrics {
        &self.shared.metrics
    }

    /// Carries out an action; `Ok` is `Response: Success` (or `Goodbye`). Waits at most three seconds.
    ///
    /// Several may be under way; they are carried out in the order in which they were asked.
    pub async fn ask(&self, action: Action) -> Result<Message, AmiError> {
        let (answer, answered) = oneshot::channel();
        let name = action.name();
        let deadline = Instant::now() + self.timing.answer;
        self.send(Command { action, deadline, waiting: Waiting::One(answer) }, answered, name).await
    }

    /// Carries out an action that is answered by a list, whole or an error: the number of items must be the one that the
    /// closing event tells, every item must carry our `ActionID`, none may be ambiguous, and nothing may stand between
    /// them. Waits at most ten seconds. Gives the items, without the first answer and the closing event; at most 120,000.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, AmiError> {
        let (answer, answered) = oneshot::channel();
        let name = action.name();
        let deadline = Instant::now() + self.timing.list;
        self.send(Command { action, deadline, waiting: Waiting::List(answer) }, answered, name).await
    }

    /// Events from now on, at most `depth` waiting. A link that is up already says so first.
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

/// The links of all servers, in the configuration's order.
#[derive(Debug, Clone, Default)]
pub struct Links(Arc<[Link]>);

impl Links {
    /// Of these.
    pub fn new(links: Vec<Link>) -> Self {
        Self(links.into())
    }

    /// Begins to connect to every `[[asterisk]]` of the configuration.
    pub fn start(config: &Config, clock: &Arc<dyn Clock>, stop: &CancellationToken) -> (Self, LinkTasks) {
        let (links, tasks) = config
            .asterisk
            .iter()
            .map(|server| Link::start(Settings::from(server), Arc::clone(clock), stop.clone()))
            .unzip();
        (Self::new(links), LinkTasks { tasks, stop: stop.clone() })
    }

    /// The link of a server.
    pub fn get(&self, server: &str) -> Option<&Link> {
        self.0.iter().find(|link| link.server() == server)
    }

    /// All of them.
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

/// The tasks behind the links.
#[derive(Debug)]
pub struct LinkTasks {
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl LinkTasks {
    /// Waits until the service stops and every link has logged off. An error is a task that crashed, or ended before.
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

/// All of them, unless one ends before it was told to: then what became of that one.
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
