//! What changed of peers, on its way to every Asterisk server.
//!
//! Memory says what changed, each server has an [`Inbox`] that keeps it until that server was told. What is in an inbox
//! is a set: a peer that changes ten times while a server is away is one entry, and beyond [`MAX_NAMES`] entries the
//! inbox says "everything", so it needs no other limit.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::peers::PeerKind;

/// Peers that an inbox names; beyond that looking at everything is cheaper than asking about each.
pub const MAX_NAMES: usize = 500;
/// How long an Asterisk may take to have in its cache what it was answered: `httptimeout` of `res_curl.conf` (0.5 s, after
/// which it gives the answer up) and a tenth to put it there.
pub const READ_LASTS: Duration = Duration::from_millis(600);

/// One peer that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerChange {
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub kind: PeerKind,
    /// It could call and cannot any more: its live calls end.
    pub ended: bool,
    /// Who is registered as it must register again: it ended, or has another password.
    pub unregister: bool,
}

/// What a server has to be told of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Todo {
    /// What the peer is.
    pub kind: PeerKind,
    /// As in [`PeerChange`].
    pub ended: bool,
    /// As in [`PeerChange`].
    pub unregister: bool,
    /// Asterisk was reading it when it changed, and may put what it read into its cache until then: tell it again.
    pub again_at: Option<Instant>,
}

/// What a server has to be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Of single peers.
    pub names: HashMap<Box<str>, Todo>,
    /// Anything may have changed.
    pub everything: bool,
}

impl Pending {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.everything
    }

    fn add(&mut self, name: &str, todo: Todo) {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(name) {
            self.everything = true;
            // Whose calls must end has to be remembered even so; that a cache is old is said by "everything".
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

/// What one server has not been told yet.
#[derive(Debug, Default)]
pub struct Inbox {
    pending: Mutex<Pending>,
    wake: Notify,
}

impl Inbox {
    /// Everything has to be looked at.
    pub fn everything(&self) {
        self.pending().everything = true;
        self.wake.notify_one();
    }

    /// One peer has to be told of.
    pub fn put(&self, name: &str, todo: Todo) {
        self.pending().add(name, todo);
        self.wake.notify_one();
    }

    /// Lets [`Inbox::filled`] return.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes what there is to tell. Put back what could not be told.
    pub fn take(&self) -> Pending {
        std::mem::take(&mut *self.pending())
    }

    /// Puts back what could not be told, beside what has come meanwhile; nobody is woken for it.
    pub fn put_back(&self, pending: Pending) {
        self.pending().merge(pending);
    }

    /// Waits until something is put in. May also return without.
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
        // Whoever panicked left it whole enough: at worst a server is told too much.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings changes to every server's inbox, and remembers what Asterisk has read a moment ago.
#[derive(Debug, Default)]
pub struct Changes {
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    reads: Mutex<Reads>,
}

/// The names that Asterisk read lately, in two generations: a name is remembered for one to two [`READ_LASTS`].
#[derive(Debug, Default)]
struct Reads {
    began: Option<Instant>,
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
    /// When all addresses were read last.
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
    /// An inbox that gets every change from now on.
    pub fn open(&self) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        self.inboxes().push(Arc::clone(&inbox));
        inbox
    }

    /// Peers changed, and memory has it.
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

    /// Asterisk was just answered about a peer that there is.
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

    /// Asterisk was just told all addresses.
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
