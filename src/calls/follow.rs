//! Events of a server's control link about calls: answers, ends, and the loss of the link.
//!
//! Every event is only a hint: callers can inject whole blocks. An answer counts if the called channel's own `linkedid`
//! names the call; an end counts only if a complete channel list shows it, twice (see [`reconcile`](super::reconcile)).

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::live::signed;
use super::reconcile::LastRun;
use super::state::Calls;
use crate::ami::{Event, Link, LinkEvent};
use crate::ledger::CallKey;

/// Maximum queued events: a burst of some seconds at a thousand calls a second. Beyond it events are dropped, and
/// everything is checked anew.
const MAX_EVENTS: usize = 16_384;
/// Maximum concurrent checks of answers; the next channel list finds further answers.
const MAX_CHECKS: usize = 256;
/// Maximum legs of one channel, which it dials one after the other.
const MAX_LEGS: u32 = 9;

/// Reports whether an event concerns calls.
fn concerns_calls(event: &Event) -> bool {
    matches!(event, Event::DialEnd { .. } | Event::Hangup { .. } | Event::Shutdown)
}

/// Follows one server until `stop`; `look` wakes the reconciliation.
pub async fn follow(calls: Arc<Calls>, link: Link, look: Arc<Notify>, stop: CancellationToken) {
    let mut events = link.subscribe(MAX_EVENTS, concerns_calls);
    let checks = Arc::new(Semaphore::new(MAX_CHECKS));
    let mut run = LastRun::default();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        let now_ms = calls.clock.monotonic_ms();
        match event {
            None => return,
            Some(LinkEvent::Up(session)) => {
                let gone = run.session(&calls, &link, &session);
                tracing::info!(
                    server = link.server(),
                    asterisk.version = %session.version,
                    asterisk.started = %session.started,
                    calls.gone = gone,
                    "the control link is up"
                );
                calls.link_up(link.server());
                look.notify_one();
            }
            Some(LinkEvent::Down) => {
                calls.link_down(link.server(), link.heard_ms());
            }
            Some(LinkEvent::Missed(count)) => {
                tracing::warn!(
                    server = link.server(),
                    count,
                    "events were missed; the server's calls are looked at anew"
                );
                look.notify_one();
            }
            Some(LinkEvent::Event(event)) => {
                if take_in(&calls, &link, &event, &checks, now_ms) {
                    look.notify_one();
                }
            }
        }
    }
}

/// Applies an event; returns whether the server must be reconciled.
fn take_in(calls: &Arc<Calls>, link: &Link, event: &Event, checks: &Arc<Semaphore>, now_ms: u64) -> bool {
    match event {
        Event::DialEnd { unique_id, dest_channel, dial_status, .. }
            if dial_status == "ANSWER" && calls.is_open(link.server(), unique_id) =>
        {
            let Ok(place) = Arc::clone(checks).try_acquire_owned() else { return true };
            let (calls, link) = (Arc::clone(calls), link.clone());
            let (unique_id, called) = (unique_id.clone(), dest_channel.clone());
            tokio::spawn(async move {
                check_answer(&calls, &link, &unique_id, &called, now_ms).await;
                drop(place);
            });
            false
        }
        Event::Hangup { unique_id, .. } => calls.ending(link.server(), unique_id, now_ms),
        Event::Shutdown => {
            tracing::warn!(server = link.server(), "Asterisk says that it ends");
            false
        }
        _ => false,
    }
}

/// Applies an answer if the called channel confirms that this call dialled it.
async fn check_answer(calls: &Calls, link: &Link, unique_id: &str, called: &str, at_ms: u64) {
    match link.getvar(called, "CHANNEL(linkedid)").await {
        Ok(Some(linked)) if linked == unique_id => {
            calls.answered(link.server(), unique_id, called, signed(at_ms));
        }
        Ok(Some(linked)) => tracing::warn!(
            server = link.server(),
            call.channel = unique_id,
            called,
            linked,
            "an answer was told of a channel that belongs to another call"
        ),
        // The channel is gone: the call's end settles it.
        Ok(None) => {}
        // The next channel list finds it.
        Err(error) => tracing::debug!(server = link.server(), %error, "an answer could not be checked"),
    }
}

impl Calls {
    /// Returns the open call of a channel.
    fn open_of(&self, server: &str, unique_id: &str) -> Option<CallKey> {
        (1..=MAX_LEGS)
            .map(|leg| CallKey { server: server.to_owned(), unique_id: unique_id.to_owned(), leg })
            .find(|key| self.open.contains_key(key))
    }

    /// Reports whether a channel has an open call.
    pub fn is_open(&self, server: &str, unique_id: &str) -> bool {
        self.open_of(server, unique_id).is_some()
    }

    /// Records that this channel answered a call just now, at a time of the monotonic clock; the call is metered from
    /// now on.
    pub fn answered(&self, server: &str, unique_id: &str, called: &str, at_ms: i64) {
        self.note_answer(server, unique_id, called, at_ms, true);
    }

    /// Records that a call was answered earlier, at a time derived from Asterisk's wall clock.
    pub fn was_answered(&self, server: &str, unique_id: &str, called: &str, at_ms: i64) {
        self.note_answer(server, unique_id, called, at_ms, false);
    }

    fn note_answer(&self, server: &str, unique_id: &str, called: &str, at_ms: i64, heard: bool) {
        let Some(key) = self.open_of(server, unique_id) else { return };
        let Some(mut call) = self.open.get_mut(&key) else { return };
        let at_ms = at_ms.max(call.origin.since_ms());
        if call.live.answered_ms.is_none() {
            tracing::info!(call.id = %key, call.called_channel = called, "call answered");
            call.live.answer_heard = heard;
        }
        let answered = *call.live.answered_ms.get_or_insert(at_ms);
        call.live.seen_alive(answered.max(at_ms));
        if call.live.called.as_deref() != Some(called) {
            call.live.called = Some(called.to_owned());
            call.live.route = call.route_of(called);
        }
        call.live.due_ms = 0;
    }

    /// Records that an event, or the answer to an order, reports the end of a call's channel; returns whether there is
    /// such a call.
    pub fn ending(&self, server: &str, unique_id: &str, at_ms: u64) -> bool {
        let Some(key) = self.open_of(server, unique_id) else { return false };
        let Some(mut call) = self.open.get_mut(&key) else { return false };
        call.live.ending_ms.get_or_insert(signed(at_ms));
        true
    }
}
