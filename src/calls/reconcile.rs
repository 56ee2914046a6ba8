//! Reconciles this process's calls of a server with the server's channels.
//!
//! An unknown state is not an end: a call has ended only if a complete channel list of the right server lacks it,
//! twice, or if that Asterisk has restarted since. Even then its record in `tg_unsettled` has priority; without a
//! record the call is settled for the time up to its last proof of life.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::adopt;
use super::channel::{Channel, PROVEN};
use super::error::SettleError;
use super::live::signed;
use super::request::SettleRequest;
use super::settle::SettleOutcome;
use super::state::Calls;
use super::unsettled::{self, KnownBad};
use crate::ami::{AmiError, Link, Session};
use crate::ledger::{CallKey, DurationSource};

/// Time for ended calls to settle by themselves before their server is reconciled.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Time between the two lists that prove an end.
const BETWEEN_LISTS: Duration = Duration::from_secs(2);
/// Interval of reconciliation without a special reason.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Number of open calls that lengthens the interval by a second: the cost of a list grows with its length.
const CALLS_PER_SECOND_MORE: usize = 250;
/// The last seen run of an Asterisk.
#[derive(Debug, Default)]
pub struct LastRun {
    started: Option<String>,
}

impl LastRun {
    /// Records the start of a session. If Asterisk has restarted since the last one, the calls that it had when it was
    /// last heard are gone; returns their number.
    pub fn session(&mut self, calls: &Calls, link: &Link, session: &Session) -> usize {
        let before = self.started.replace(session.started.clone());
        let restarted = before.is_some_and(|started| started != session.started);
        if restarted { calls.restarted(link.server(), link.heard_before_ms()) } else { 0 }
    }
}

/// Reconciles a server until `stop`: when woken, and at intervals.
pub async fn reconcile(calls: Arc<Calls>, link: Link, look: Arc<Notify>, stop: CancellationToken) {
    let mut known_bad = KnownBad::default();
    loop {
        let open = calls.open_on(link.server());
        let pause = LOOK_EVERY + Duration::from_secs((open / CALLS_PER_SECOND_MORE) as u64);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = look.notified() => tokio::time::sleep(PATIENCE).await,
        }
        if !link.is_up() {
            continue;
        }
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look_at(&calls, &link, &mut known_bad) => looked,
        };
        if let Err(error) = looked {
            tracing::warn!(server = link.server(), %error, "the server's calls could not be looked at; nothing is concluded");
        }
    }
}

/// Reconciles once: reads the records of ended calls, then the channels, and both again if a call is missing.
async fn look_at(calls: &Calls, link: &Link, known_bad: &mut KnownBad) -> Result<(), AmiError> {
    // Unreadable records do not prevent the reading of the channels; the channels alone then conclude nothing.
    let drained = unsettled::drain(calls, link, known_bad).await;
    let missing = look_at_channels(calls, link).await?;
    drained?;
    if missing == 0 {
        return Ok(());
    }
    tokio::time::sleep(BETWEEN_LISTS).await;
    look_at_channels(calls, link).await?;
    // Calls that ended since the first reading have written their record by now.
    unsettled::drain(calls, link, known_bad).await?;
    for key in calls.proven_gone(link.server()) {
        match calls.settle_gone(&key).await {
            Ok(Some(outcome)) => tracing::warn!(
                call.id = %key,
                outcome = outcome.as_str(),
                "nobody told the call's end; it is settled at its last proof of life"
            ),
            Ok(None) | Err(SettleError::InProgress) => {}
            Err(error) => tracing::error!(call.id = %key, %error, "a call that is gone could not be settled"),
        }
    }
    Ok(())
}

async fn look_at_channels(calls: &Calls, link: &Link) -> Result<usize, AmiError> {
    let asked_ms = calls.clock.monotonic_ms();
    let rows = link.core_show_channels().await?;
    let channels: Vec<Channel> = rows.into_iter().map(Channel::from).collect();
    let seen = calls.take_in(link.server(), &channels, asked_ms);
    for (caller, called) in seen.answered {
        adopt::ask_answer(calls, link, &caller, &called).await;
    }
    for caller in seen.strangers {
        adopt::adopt(calls, link, &caller).await;
    }
    for endpoint in seen.forbidden {
        calls.hang_up_endpoint(&endpoint);
    }
    Ok(seen.missing)
}

/// Result of a complete channel list.
#[derive(Debug, Default)]
pub struct Seen {
    /// Number of calls that the list lacks.
    pub missing: usize,
    /// Channels of answered calls not yet known as answered: the calling channel, and the called one.
    pub answered: Vec<(Channel, Channel)>,
    /// Calling channels without a known call.
    pub strangers: Vec<Channel>,
    /// Names of peers with a call up that may no longer call.
    pub forbidden: Vec<String>,
}

impl Calls {
    /// Returns the number of open calls on a server.
    pub fn open_on(&self, server: &str) -> usize {
        self.open.iter().filter(|call| call.key().server == server).count()
    }

    /// Applies a complete list of a server's channels, requested at `asked_ms`.
    pub fn take_in(&self, server: &str, channels: &[Channel], asked_ms: u64) -> Seen {
        let mut seen = Seen::default();
        let by_id: HashMap<&str, &Channel> =
            channels.iter().map(|channel| (channel.unique_id.as_str(), channel)).collect();
        let mut called_of: HashMap<&str, &Channel> = HashMap::new();
        for channel in channels.iter().filter(|c| c.is_up && c.unique_id != c.linked_id) {
            called_of.insert(channel.linked_id.as_str(), channel);
        }
        for mut entry in self.open.iter_mut().filter(|call| call.key().server == server) {
            let (key, call) = entry.pair_mut();
            // The call was granted after the list was requested: the list proves nothing about it.
            if call.has_ended() || call.origin.since_ms() > signed(asked_ms) {
                continue;
            }
            let Some(channel) = by_id.get(key.unique_id.as_str()) else {
                call.live.missing = call.live.missing.saturating_add(1);
                seen.missing += 1;
                continue;
            };
            call.live.channel.clone_from(&channel.name);
            if channel.has_ended {
                continue;
            }
            call.live.missing = 0;
            call.live.ending_ms = None;
            call.live.seen_alive(signed(asked_ms));
            if let Some(endpoint) = channel.endpoint() {
                if !call.origin.is_this_process() && call.endpoint != endpoint {
                    endpoint.clone_into(&mut call.endpoint);
                }
                if !self.may_call(endpoint) {
                    seen.forbidden.push(endpoint.to_owned());
                }
            }
            if (call.live.answered_ms.is_none() || call.live.called.is_none())
                && let Some(called) = called_of.get(key.unique_id.as_str())
            {
                seen.answered.push(((*channel).clone(), (*called).clone()));
            }
        }
        for channel in channels.iter().filter(|c| c.is_caller && !c.has_ended && c.unique_id == c.linked_id) {
            if !self.is_open(server, &channel.unique_id) {
                seen.strangers.push(channel.clone());
            }
        }
        seen
    }

    /// Reports whether a peer may have calls.
    fn may_call(&self, endpoint: &str) -> bool {
        self.directory.peer(endpoint).is_some_and(|peer| peer.in_force())
    }

    /// Records that a server's Asterisk has restarted: its calls at the time it was last heard are gone. Returns their
    /// number.
    pub fn restarted(&self, server: &str, heard_ms: u64) -> usize {
        let mut gone = 0;
        for mut call in self.open.iter_mut().filter(|call| call.key().server == server) {
            // Channels are numbered anew: a name of the old run may belong to another call now.
            if call.live.called.take().is_some() {
                call.live.channel.clear();
            }
            if call.origin.since_ms() <= signed(heard_ms) {
                call.live.missing = PROVEN;
                gone += 1;
            }
        }
        gone
    }

    /// Returns a server's calls that are proven to have ended and are not settled.
    fn proven_gone(&self, server: &str) -> Vec<CallKey> {
        let is_gone = |call: &super::open::OpenCall| call.live.missing >= PROVEN && !call.has_ended();
        let of_server = self.open.iter().filter(|call| call.key().server == server);
        of_server.filter(|call| is_gone(call)).map(|call| call.key().clone()).collect()
    }

    /// Settles a call that is proven to have ended and whose end was not reported: for the time up to its last proof of
    /// life. `None` if it is settled or alive after all.
    pub async fn settle_gone(&self, key: &CallKey) -> Result<Option<SettleOutcome>, SettleError> {
        let lock = self.lock_call(key).ok_or(SettleError::InProgress)?;
        let gone = self.open.remove_if(key, |_, call| call.live.missing >= PROVEN && !call.has_ended());
        let Some((_, call)) = gone else { return Ok(None) };
        let now_ms = self.clock.monotonic_ms();
        // The event that reported its end is not used: it may have come late, or have been injected.
        let end_ms = call.live.alive_ms;
        let answered_ms = match (call.live.answered_ms, end_ms) {
            (Some(answered), Some(end)) => u64::try_from(end.saturating_sub(answered)).unwrap_or(0),
            _ => 0,
        };
        let at = |ms: i64| self.wall_of(ms, now_ms).as_microsecond();
        let request = SettleRequest {
            key: key.clone(),
            ticket: String::new(),
            answered_ms,
            dial_status: if call.live.answered_ms.is_some() { "ANSWER" } else { "CANCEL" }.to_owned(),
            cause: None,
            route: call.live.route,
            answered_at_us: call.live.answered_ms.map(at),
            ended_at_us: end_ms.map(at),
            attempts: Vec::new(),
            extras: super::request::Extras::default(),
        };
        let settled = self.price_and_submit(&request, call, DurationSource::LastProofOfLife).await;
        drop(lock);
        settled.map(Some)
    }
}
