//! The manager interface (AMI): one connection to each Asterisk server.
//!
//! A [`Link`] is a handle to a task that connects, logs in, keeps the connection alive and connects again when it is
//! lost. Whoever holds it asks ([`Link::ask`], [`Link::list`]) and listens ([`Link::subscribe`]). Nothing in here knows
//! calls or peers.

pub mod action;
pub mod event;
pub mod message;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

pub use action::{Action, ActionError};
pub use event::Event;
pub use message::Message;

/// Why an action has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AmiError {
    /// The link is away; nothing was sent.
    #[error("the link to {server} is away")]
    Away {
        /// The server.
        server: String,
    },
    /// The link was lost, or the deadline passed, after the action was sent: it may or may not have been carried out.
    #[error("{server} did not answer {action}: {reason}")]
    Unanswered {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// What happened.
        reason: String,
    },
    /// Asterisk refused: `Response: Error`.
    #[error("{server} refused {action}: {message}")]
    Refused {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// Asterisk's `Message`.
        message: String,
    },
    /// A list that is not whole: an item is missing, one too many, or one cannot be read. It proves nothing.
    #[error("{server}'s answer to {action} is not whole: {reason}")]
    Incomplete {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl AmiError {
    /// Whether Asterisk itself answered with an error that says that the thing asked about is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { message, .. }
            if message.contains("No such channel") || message.contains("not found") || message.contains("No such"))
    }
}

/// The run of an Asterisk, as it tells it: another start has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Counts the logins of this link, from 1.
    pub number: u64,
    /// Asterisk's start as `CoreStatus` shows it (date and time), its identity: text, never read as a time.
    pub started: String,
    /// Seconds it has been up, by its own clock, when the session began.
    pub uptime_seconds: u64,
    /// `AsteriskVersion` of `CoreSettings`.
    pub version: String,
}

/// How a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected, or not logged in.
    Away {
        /// Why, in words.
        reason: String,
    },
    /// Logged in, filters set, events arrive.
    Up(Arc<Session>),
}

/// What a subscriber gets, in order.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// Logged in. What happened before is not known: look at everything anew.
    Up(Arc<Session>),
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was slow and this many events were dropped: look at everything anew.
    Missed(u64),
    /// The link is away.
    Down,
}

/// One thing the connection is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// One action with one answer.
    Ask(Action, oneshot::Sender<Result<Message, AmiError>>),
    /// An action answered by a list of events; the items without the first answer and the closing event.
    List(Action, oneshot::Sender<Result<Vec<Message>, AmiError>>),
}

/// A subscriber's queue.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) wants: fn(&Event) -> bool,
    pub(crate) queue: mpsc::Sender<LinkEvent>,
    pub(crate) missed: u64,
}

/// A handle to one server's connection. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Link {
    server: Arc<str>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<LinkState>,
    /// Monotonic milliseconds of the last line that came from the server; 0 before the first.
    heard_ms: Arc<std::sync::atomic::AtomicU64>,
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
}

impl Link {
    /// The server's `systemname`.
    pub fn server(&self) -> &str {
        &self.server
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

    /// When the server was last heard, by the monotonic clock, in milliseconds: its last proof of life.
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Carries out an action; `Ok` is `Response: Success` (or `Goodbye`). Waits at most the deadline.
    pub async fn ask(&self, action: Action) -> Result<Message, AmiError> {
        let name = action.name().to_owned();
        let (answer, answered) = oneshot::channel();
        self.send(Command::Ask(action, answer), answered, name).await
    }

    /// Carries out an action that is answered by a list, whole or an error: the number of items must be the one that the
    /// closing event tells, and every item must carry our `ActionID`.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, AmiError> {
        let name = action.name().to_owned();
        let (answer, answered) = oneshot::channel();
        self.send(Command::List(action, answer), answered, name).await
    }

    /// Events from now on, at most `depth` waiting. A link that is up already says so first.
    pub fn subscribe(&self, depth: usize, wants: fn(&Event) -> bool) -> mpsc::Receiver<LinkEvent> {
        let (queue, events) = mpsc::channel(depth.max(2));
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if let LinkState::Up(session) = self.state() {
            // The queue is empty: there is room.
            let _ = queue.try_send(LinkEvent::Up(session));
        }
        subscribers.push(Subscriber { wants, queue, missed: 0 });
        events
    }

    async fn send<T>(
        &self,
        command: Command,
        answered: oneshot::Receiver<Result<T, AmiError>>,
        action: String,
    ) -> Result<T, AmiError> {
        let away = || AmiError::Away { server: self.server.to_string() };
        self.commands.try_send(command).map_err(|_| away())?;
        answered.await.unwrap_or_else(|_| {
            Err(AmiError::Unanswered {
                server: self.server.to_string(),
                action,
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

    /// The link of a server.
    pub fn get(&self, server: &str) -> Option<&Link> {
        self.0.iter().find(|link| link.server() == server)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }
}
