//! Changes of peers, queued for every Asterisk server.
//!
//! Memory publishes the changes, and each server has an [`Inbox`] that keeps them until that server was notified. An
//! inbox is a set: a peer that changes ten times while a server is unreachable is one entry, and beyond [`MAX_NAMES`]
//! entries the inbox says "everything", so it needs no other limit.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::peers::PeerKind;

/// Maximum peers that an inbox names; beyond that checking everything is cheaper than asking about each.
pub const MAX_NAMES: usize = 500;
/// Maximum time in which Asterisk puts an answer into its cache: `httptimeout` of `res_curl.conf` (0.5 s, after which
/// it drops the answer) and a tenth of a second to store it.
pub const READ_LASTS: Duration = Duration::from_millis(600);

/// A change of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerChange {
    /// Name of the peer.
    pub name: Box<str>,
    /// Kind of the peer.
    pub kind: PeerKind,
    /// True if the peer could call and cannot any more: its live calls end.
    pub ended: bool,
    /// True if registrations of the peer must be removed: it ended, or has another password.
    pub unregister: bool,
}

/// Pending notification of a server about one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Todo {
    /// Kind of the peer.
    pub kind: PeerKind,
    /// As in [`PeerChange`].
    pub ended: bool,
    /// As in [`PeerChange`].
    pub unregister: bool,
    /// Time until which Asterisk may put an outdated answer into its cache, because it was reading the peer during the
    /// change: notify it again then.
    pub again_at: Option<Instant>,
}

/// Pending notifications of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Notifications about single peers.
    pub names: HashMap<Box<str>, Todo>,
    /// True if anything may have changed.
    pub everything: bool,
}

impl Pending {
    /// Reports whether there are no notifications.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.everything
    }

    fn add(&mut self, name: &str, todo: Todo) {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(name) {
            self.everything = true;
            // Calls to end and registrations to remove are still kept by name; "everything" covers outdated caches.
            self.names.retain(|_, todo| todo.ended || todo.unregister);
            if !todo.ended && !todo.unregister {
                return;
            }
        }
        let known = self.names.entry(name.into()).or_insert(todo);
        *known = Todo {
            kind: todo.kind,
            ended: known.ended || todo.ended,
            unregister: known.unregister || todo.unregister,
            again_at: known.again_at.max(todo.again_at),
        };
    }

    fn merge(&mut self, other: Self) {
        self.everything |= other.everything;
        for (name, todo) in other.names {
            self.add(&name, todo);
        }
    }
}

/// Changes that one server was not notified of yet.
#[derive(Debug, Default)]
pub struct Inbox {
    pending: Mutex<Pending>,
    wake: Notify,
}

impl Inbox {
    /// Marks that everything must be checked.
    pub fn everything(&self) {
        self.pending().everything = true;
        self.wake.notify_one();
    }

    /// Adds a notification about one peer.
    pub fn put(&self, name: &str, todo: Todo) {
        self.pending().add(name, todo);
        self.wake.notify_one();
    }

    /// Makes [`Inbox::filled`] return.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Removes and returns the pending notifications. The caller puts back those that it could not send.
    pub fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending())
    }

    /// Puts back notifications that could not be sent, merged with those added meanwhile; wakes no task.
    pub fn put_back(&self, pending: Pending) {
        self.pending().merge(pending);
    }

    /// Waits until something is put in. May also return spuriously.
    pub async fn filled(&self) {
        self.wake.notified().await;
    }

    fn add(&self, changes: &[(PeerChange, Option<Instant>)]) {
        let mut pending = self.pending();
        for (change, again_at) in changes {
            let todo = Todo {
                kind: change.kind,
                ended: change.ended,
                unregister: change.unregister,
                again_at: *again_at,
            };
            pending.add(&change.name, todo);
        }
        drop(pending);
        self.wake.notify_one();
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // A panicking holder left it usable: at worst a server gets too many notifications.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends changes to every server's inbox, and remembers Asterisk's most recent reads.
#[derive(Debug, Default)]
pub struct Changes {
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    reads: Mutex<Reads>,
}

/// Names that Asterisk read recently, in two generations: a name is remembered for one to two [`READ_LASTS`].
#[derive(Debug, Default)]
struct Reads {
    began: Option<Instant>,
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
    /// Time of the last read of all addresses.
    addresses: Option<Instant>,
}

impl Reads {
    fn turn(&mut self, now: Instant) {
        let age = self.began.map(|began| now.saturating_duration_since(began));
        if age.is_none_or(|age| age >= READ_LASTS) {
            self.old = std::mem::take(&mut self.young);
            if age.is_none_or(|age| age >= 2 * READ_LASTS) {
                self.old.clear();
            }
            self.began = Some(now);
        }
    }
}

impl Changes {
    /// Creates an inbox that gets every change from now on.
    pub fn open(&self) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        self.inboxes().push(Arc::clone(&inbox));
        inbox
    }

    /// Publishes changes of peers that are in memory already.
    pub fn publish(&self, changes: Vec<PeerChange>) {
        if !changes.is_empty() {
            self.publish_at(changes, Instant::now());
        }
    }

    fn publish_at(&self, changes: Vec<PeerChange>, now: Instant) {
        let changes: Vec<_> = {
            let mut reads = self.reads();
            reads.turn(now);
            let read_addresses =
                reads.addresses.is_some_and(|at| now.saturating_duration_since(at) < READ_LASTS);
            let again = |change: &PeerChange| {
                let overlapped = reads.young.contains(&change.name)
                    || reads.old.contains(&change.name)
                    || (change.kind == PeerKind::Ipa && read_addresses);
                overlapped.then(|| now + READ_LASTS)
            };
            let with_again = |change: PeerChange| {
                let again_at = again(&change);
                (change, again_at)
            };
            changes.into_iter().map(with_again).collect()
        };
        for inbox in self.inboxes().iter() {
            inbox.add(&changes);
        }
    }

    /// Records that Asterisk just read an existing peer.
    pub fn was_read(&self, name: &str) {
        self.was_read_at(name, Instant::now());
    }

    fn was_read_at(&self, name: &str, now: Instant) {
        let mut reads = self.reads();
        reads.turn(now);
        if !reads.young.contains(name) {
            reads.young.insert(name.into());
        }
    }

    /// Records that Asterisk just read all addresses.
    pub fn addresses_were_read(&self) {
        self.reads().addresses = Some(Instant::now());
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<Arc<Inbox>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, ended: bool) -> PeerChange {
        PeerChange { name: name.into(), kind: PeerKind::Sip, ended, unregister: ended }
    }

    #[tokio::test]
    async fn a_change_reaches_every_inbox_and_an_end_is_not_forgotten_by_a_later_change() {
        let changes = Changes::default();
        let (one, other) = (changes.open(), changes.open());
        changes.publish(vec![change("1001", true)]);
        changes.publish(vec![change("1001", false)]);
        for inbox in [one, other] {
            inbox.filled().await;
            let pending = inbox.take();
            assert_eq!(pending.names.len(), 1);
            assert!(pending.names["1001"].ended && pending.names["1001"].unregister);
            assert!(inbox.take().is_empty());
        }
    }

    #[test]
    fn what_was_being_read_when_it_changed_is_told_again() {
        let (changes, begin) = (Changes::default(), Instant::now());
        let inbox = changes.open();
        changes.was_read_at("1001", begin);
        let now = begin + Duration::from_millis(500);
        changes.publish_at(vec![change("1001", true), change("1002", true)], now);
        let pending = inbox.take();
        assert_eq!(pending.names["1001"].again_at, Some(now + READ_LASTS));
        assert_eq!(pending.names["1002"].again_at, None);
        changes.publish_at(vec![change("1001", true)], now + 3 * READ_LASTS);
        assert_eq!(inbox.take().names["1001"].again_at, None);
    }

    #[test]
    fn a_read_is_remembered_as_long_as_it_may_last_whenever_the_generations_turn() {
        for step_ms in 0..40 {
            let (changes, begin) = (Changes::default(), Instant::now());
            let inbox = changes.open();
            changes.was_read_at("other", begin);
            let read = begin + Duration::from_millis(step_ms * 30);
            changes.was_read_at("1001", read);
            changes.publish_at(vec![change("1001", true)], read + READ_LASTS - Duration::from_millis(1));
            assert!(inbox.take().names["1001"].again_at.is_some(), "{step_ms}");
        }
    }

    #[test]
    fn reading_all_addresses_is_reading_each() {
        let changes = Changes::default();
        let inbox = changes.open();
        changes.addresses_were_read();
        let address = PeerChange { kind: PeerKind::Ipa, ..change("1001_ipa1", true) };
        changes.publish(vec![address.clone(), change("1001", true)]);
        let pending = inbox.take();
        assert!(pending.names["1001_ipa1"].again_at.is_some());
        assert!(pending.names["1001"].again_at.is_none());
        changes.publish_at(vec![address], Instant::now() + READ_LASTS);
        assert!(inbox.take().names["1001_ipa1"].again_at.is_none());
    }

    #[test]
    fn too_many_changes_are_everything_but_ends_keep_their_names() {
        let changes = Changes::default();
        let inbox = changes.open();
        changes.publish(vec![change("ended", true)]);
        changes.publish((0..MAX_NAMES + 5).map(|n| change(&n.to_string(), false)).collect());
        changes.publish(vec![change("ended later", true)]);
        let pending = inbox.take();
        assert!(pending.everything);
        assert!(pending.names.contains_key("ended") && pending.names.contains_key("ended later"));
        assert!(pending.names.len() < MAX_NAMES);
    }

    #[test]
    fn what_could_not_be_told_stays() {
        let changes = Changes::default();
        let inbox = changes.open();
        changes.publish(vec![change("1001", true)]);
        let taken = inbox.take();
        changes.publish(vec![change("1002", false)]);
        inbox.put_back(taken);
        let pending = inbox.take();
        assert_eq!(pending.names.len(), 2);
        assert!(pending.names["1001"].ended);
    }
}
