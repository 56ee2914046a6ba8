//! The SMPP connector: submits messages over one bound session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rusmpp::pdus::SubmitSm;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::keeper::Keeper;
use super::pdu::{self, Verdict};
use super::settings::Settings;
use super::submission::{Outcome, Submission};
use crate::messaging::connector::{Accepted, Connector, Found, Outgoing, Receipt, Receipts, Submitted};
use crate::secrets::random_bytes;

/// Whoever gives a message waits 30 s at most; what is left is for ourselves.
const LONGEST_SUBMIT: Duration = Duration::from_secs(29);
/// Tries of a later part that is not accepted.
const MAX_TRIES: u32 = 5;
/// How long a link that is down is left alone.
const DOWN_PAUSE: Duration = Duration::from_secs(1);

/// The connector.
pub(crate) struct Smpp {
    settings: Arc<Settings>,
    submissions: mpsc::Sender<Submission>,
    window: Semaphore,
    is_bound: Arc<AtomicBool>,
    /// Tells the parts of one text from those of another to the same phone.
    reference: AtomicU8,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Smpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smpp").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl Smpp {
    /// Begins to connect, and keeps connected until it is closed.
    pub(crate) fn start(settings: Settings, receipts: Arc<dyn Receipts>) -> Self {
        let window = usize::from(settings.window);
        // Each that waits in it has a place in the window: it is never full.
        let (submissions, queue) = mpsc::channel(window.max(1));
        let (settings, is_bound) = (Arc::new(settings), Arc::new(AtomicBool::new(false)));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let keeper = Keeper {
            settings: Arc::clone(&settings),
            receipts,
            is_bound: Arc::clone(&is_bound),
            stop: stop.clone(),
        };
        tasks.spawn(keeper.keep(queue));
        let [first] = random_bytes();
        let reference = AtomicU8::new(first);
        Self { settings, submissions, window: Semaphore::new(window), is_bound, reference, tasks, stop }
    }

    /// Gives one PDU, if it can be written before `latest`.
    async fn submit_part(&self, pdu: SubmitSm, latest: Instant) -> Outcome {
        let down = || Outcome::NotWritten("not connected to the provider".to_owned());
        if !self.is_bound.load(Ordering::Relaxed) {
            return down();
        }
        let Ok(Ok(_place)) = timeout_at(latest, self.window.acquire()).await else {
            return Outcome::NotWritten("too many messages wait for the provider's answer".to_owned());
        };
        let (outcome, resolved) = oneshot::channel();
        if self.submissions.send(Submission { pdu, outcome }).await.is_err() {
            return down();
        }
        // The keeper resolves it in time, also when the connection is lost.
        resolved.await.unwrap_or_else(|_| Outcome::Lost("the connection's task ended".to_owned()))
    }

    async fn submit_parts(&self, message: &Outgoing) -> Submitted {
        let reference = self.reference.fetch_add(1, Ordering::Relaxed);
        let parts = match pdu::submissions(message, self.settings.long_messages, reference) {
            Ok(parts) => parts,
            Err(reason) => return Submitted::Refused { reason: reason.to_owned() },
        };
        let latest = Instant::now() + LONGEST_SUBMIT - self.settings.timing.answer;
        let count = parts.len();
        let mut upstream_ids = Vec::with_capacity(count);
        for (at, part) in parts.into_iter().enumerate() {
            let outcome = self.submit_with_retry(part, at > 0, latest).await;
            let accepted = || Accepted { upstream_ids: upstream_ids.clone(), cost: None };
            let (reason, verdict) = match outcome {
                Outcome::Answered { status: 0, message_id } => {
                    upstream_ids.extend(message_id);
                    continue;
                }
                Outcome::Answered { status, .. } => (pdu::status_name(status), pdu::verdict(status)),
                Outcome::NotWritten(reason) => (reason, Verdict::Later(DOWN_PAUSE)),
                Outcome::Lost(reason) => return Submitted::Unknown { reason, accepted: accepted() },
            };
            if at > 0 {
                let reason = format!("part {} of {count} was not accepted: {reason}", at + 1);
                return Submitted::Unknown { reason, accepted: accepted() };
            }
            return match verdict {
                Verdict::Later(pause) => Submitted::NotAccepted { reason, pause: Some(pause) },
                Verdict::Never | Verdict::Accepted => Submitted::Refused { reason },
            };
        }
        Submitted::Accepted(Accepted { upstream_ids, cost: None })
    }

    /// Submits a part; a later one again if it was provably not accepted, because the parts before it are under way.
    async fn submit_with_retry(&self, part: SubmitSm, is_later: bool, latest: Instant) -> Outcome {
        let mut tries = 1;
        loop {
            let outcome = self.submit_part(part.clone(), latest).await;
            let pause = match &outcome {
                Outcome::Answered { status, .. } => match pdu::verdict(*status) {
                    Verdict::Later(pause) => pause,
                    Verdict::Accepted | Verdict::Never => return outcome,
                },
                Outcome::NotWritten(_) => DOWN_PAUSE,
                Outcome::Lost(_) => return outcome,
            };
            if !is_later || tries == MAX_TRIES || Instant::now() + pause > latest {
                return outcome;
            }
            tries += 1;
            sleep(pause).await;
        }
    }
}

impl Connector for Smpp {
    fn submit(&self, message: Outgoing) -> BoxFuture<'_, Submitted> {
        async move { self.submit_parts(&message).await }.boxed()
    }

    /// An SMSC does not keep our reference.
    fn find<'a>(&'a self, _reference: &'a str, _to: &'a str) -> BoxFuture<'a, Found> {
        futures::future::ready(Found::CannotTell).boxed()
    }

    fn fetch_status<'a>(&'a self, _upstream_id: &'a str) -> BoxFuture<'a, Option<Receipt>> {
        futures::future::ready(None).boxed()
    }

    fn can_find(&self) -> bool {
        false
    }

    fn needs_polling(&self) -> bool {
        false
    }

    fn is_up(&self) -> bool {
        self.is_bound.load(Ordering::Relaxed)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().boxed()
    }
}

impl Drop for Smpp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
