//! State shared by the handles of a link and the task that keeps its connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::LinkMetrics;
use super::pending::Waiting;
use super::state::{LinkState, Session};
use super::subscribers::{LinkEvent, Subscribers};
use super::{Action, Event};

/// An action waiting to be sent.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) action: Action,
    pub(super) deadline: Instant,
    pub(super) waiting: Waiting,
}

/// State shared by the handles and their connection task.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: String,
    state: watch::Sender<LinkState>,
    /// Time of the last byte from the server in monotonic milliseconds; 0 before the first.
    pub(super) heard_ms: Arc<AtomicU64>,
    /// The same for the session before this one.
    heard_before_ms: AtomicU64,
    subscribers: Mutex<Subscribers>,
    pub(super) metrics: LinkMetrics,
}

impl Shared {
    /// Creates the state of a link that has not tried to connect yet.
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            state: watch::Sender::new(LinkState::Away { reason: "it was not tried yet".to_owned() }),
            heard_ms: Arc::default(),
            heard_before_ms: AtomicU64::new(0),
            subscribers: Mutex::default(),
            metrics: LinkMetrics::default(),
        }
    }

    /// Returns the time of the last byte of the session before the latest one, in monotonic milliseconds; 0 if there
    /// was none.
    pub(super) fn heard_before_ms(&self) -> u64 {
        self.heard_before_ms.load(Ordering::Relaxed)
    }

    /// Runs `tell` on the subscribers; a state set within it is in force for later subscribers.
    pub(super) fn with_subscribers<T>(&self, tell: impl FnOnce(&mut Subscribers) -> T) -> T {
        tell(&mut self.subscribers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores the last proof of life of the previous session; called before a session begins.
    pub(super) fn note_last_life(&self) {
        self.heard_before_ms.store(self.heard_ms.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Marks the link up.
    pub(super) fn up(&self, session: Session) {
        LinkMetrics::count(&self.metrics.logins);
        tracing::info!(
            server = %self.server,
            session.number,
            asterisk.version = %session.version,
            asterisk.started = %session.started,
            "the manager link is up"
        );
        let session = Arc::new(session);
        self.with_subscribers(|subscribers| {
            self.state.send_replace(LinkState::Up(Arc::clone(&session)));
            subscribers.tell_state(&LinkEvent::Up(session), &self.metrics);
        });
    }

    /// Marks the link down for this reason; logged once.
    pub(super) fn away(&self, reason: &str) {
        if self.set_away(reason) {
            tracing::warn!(server = %self.server, "the manager link is away: {reason}");
        }
    }

    /// Like [`Shared::away`], but notifies only the subscribers; reports whether the state changed.
    pub(super) fn set_away(&self, reason: &str) -> bool {
        let state = LinkState::Away { reason: reason.to_owned() };
        self.with_subscribers(|subscribers| {
            let is_news = *self.state.borrow() != state;
            let before = self.state.send_replace(state);
            if matches!(before, LinkState::Up(_)) {
                subscribers.tell_state(&LinkEvent::Down, &self.metrics);
            }
            is_news
        })
    }

    /// Delivers an event to the subscribers.
    pub(super) fn tell(&self, event: Event) {
        self.with_subscribers(|subscribers| subscribers.tell(event, &self.metrics));
    }

    /// Returns a receiver of the link's state.
    pub(super) fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Delivers pending notices where there is room again.
    pub(super) fn settle(&self) {
        self.with_subscribers(Subscribers::settle);
    }
}
