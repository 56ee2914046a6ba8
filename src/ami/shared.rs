//! The state that the handles of a link share with the task that keeps its connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::LinkMetrics;
use super::pending::Waiting;
use super::state::{LinkState, Session};
use super::subscribers::{LinkEvent, Subscribers};
use super::{Action, Event};

/// An action that waits to be sent.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) action: Action,
    pub(super) deadline: Instant,
    pub(super) waiting: Waiting,
}

/// The state that the handles and their connection task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: String,
    state: watch::Sender<LinkState>,
    /// Monotonic milliseconds of the last byte that came from the server; 0 before the first.
    pub(super) heard_ms: Arc<AtomicU64>,
    /// The same, of the session before this one.
    heard_before_ms: AtomicU64,
    subscribers: Mutex<Subscribers>,
    pub(super) metrics: LinkMetrics,
}

impl Shared {
    /// The state of a link that has not tried to connect yet.
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

    /// The last byte of the session before the latest one, in monotonic milliseconds; 0 if there was none.
    pub(super) fn heard_before_ms(&self) -> u64 {
        self.heard_before_ms.load(Ordering::Relaxed)
    }

    /// Runs `tell` on the subscribers; a state that is set in it is in force for whoever subscribes behind it.
    pub(super) fn with_subscribers<T>(&self, tell: impl FnOnce(&mut Subscribers) -> T) -> T {
        tell(&mut self.subscribers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A session is about to begin: what was heard last belongs to the one before.
    pub(super) fn note_last_life(&self) {
        self.heard_before_ms.store(self.heard_ms.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The link is up.
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

    /// The link is away, for this reason; said once.
    pub(super) fn away(&self, reason: &str) {
        if self.set_away(reason) {
            tracing::warn!(server = %self.server, "the manager link is away: {reason}");
        }
    }

    /// As [`Shared::away`], where that is no news to anybody but the subscribers; whether it was not so already.
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

    /// An event came.
    pub(super) fn tell(&self, event: Event) {
        self.with_subscribers(|subscribers| subscribers.tell(event, &self.metrics));
    }

    /// A receiver of the states of the link.
    pub(super) fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Tells what is owed where there is room by now.
    pub(super) fn settle(&self) {
        self.with_subscribers(Subscribers::settle);
    }
}
