//! Applies changes of peers to running Asterisk servers, over their manager interfaces.
//!
//! Asterisk keeps the peers it has read in its sorcery caches, registrations in its own database, and calls in
//! channels. So each server is notified of a change: the cached objects are expired, all addresses are reloaded, the
//! contact is removed, the channels are hung up. Changes for a server that is unreachable, or did not answer, stay in
//! its [`Inbox`]; after it reconnects everything is checked, because events may have been missed as well.
//!
//! Three races are closed. Objects that Asterisk was reading during the change are expired again after they are in the
//! cache ([`crate::sip::changes`]). A registration in progress when its peer was disabled is removed by a second check,
//! a moment later. A call whose authorisation was in progress then is refused by authorise itself.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::registrations;
use crate::ami::{AmiError, Link, LinkEvent, Links};
use crate::directory::Directory;
use crate::sip::changes::{Inbox, Pending, READ_LASTS, Todo};
use crate::store::peers::PeerKind;

/// Caches of named objects, as `sorcery.conf` defines them.
const CACHES: [&str; 3] = ["res_pjsip/endpoint", "res_pjsip/auth", "res_pjsip/aor"];
/// The cache of all addresses.
const IDENTIFY_CACHE: &str = "res_pjsip/identify";
/// Maximum concurrent actions per server.
const AT_ONCE: usize = 16;
/// Maximum queued changes of the link's state; no other events are subscribed.
const EVENT_DEPTH: usize = 16;
/// Delay before a retry after a failure, while the link is up.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Q.850 cause "call rejected", with which a disabled peer's calls end.
const CAUSE_REJECTED: u8 = 21;

/// Predicate: reports whether the calls of the peer of this name must end.
pub type Ended = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// Result of a hang-up.
pub type HungUp = Pin<Box<dyn Future<Output = Result<(), AmiError>> + Send>>;

/// Hangs up the live calls of peers at one server.
pub trait HangUp: Send + Sync + 'static {
    /// Hangs up every call at the link's server whose calling endpoint `ended` selects. An error is retried.
    fn hang_up(&self, link: Link, ended: Ended) -> HungUp;
}

/// Hangs up channels by the endpoint in their name: `1001` for `PJSIP/1001-0000002a`.
#[derive(Debug, Default)]
pub struct HangUpChannels;

impl HangUp for HangUpChannels {
    fn hang_up(&self, link: Link, ended: Ended) -> HungUp {
        Box::pin(async move {
            for row in link.core_show_channels().await? {
                if !row.endpoint().is_some_and(|endpoint| ended(endpoint)) {
                    continue;
                }
                if link.hangup(&row.channel, CAUSE_REJECTED).await? {
                    let channel = row.channel;
                    tracing::info!(server = link.server(), channel, "hung up: its peer cannot call any more");
                }
            }
            Ok(())
        })
    }
}

/// Dependencies for notifying servers of changes.
pub struct Invalidation {
    /// The directory with the peers.
    pub directory: Arc<Directory>,
    /// Hangs up calls.
    pub hang_up: Arc<dyn HangUp>,
}

impl std::fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invalidation").finish_non_exhaustive()
    }
}

impl Invalidation {
    /// Notifies every server until `stop`. The tasks end only then.
    pub fn start(self, links: &Links, stop: &CancellationToken) -> JoinSet<()> {
        let shared = Arc::new(self);
        let mut tasks = JoinSet::new();
        for link in links.iter() {
            let server = Server {
                shared: Arc::clone(&shared),
                link: link.clone(),
                inbox: shared.directory.changes().open(),
                complained: AtomicBool::new(false),
            };
            let server = Arc::new(server);
            let (listening, listener_stop) = (Arc::clone(&server), stop.clone());
            tasks.spawn(async move {
                tokio::select! { () = listener_stop.cancelled() => {}, () = listening.listen() => {} }
            });
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! { () = stop.cancelled() => {}, () = server.tell_all() => {} }
            });
        }
        tasks
    }
}

/// An Asterisk server with its inbox.
struct Server {
    shared: Arc<Invalidation>,
    link: Link,
    inbox: Arc<Inbox>,
    /// True once the lack of a peer cache was logged.
    complained: AtomicBool,
}

impl Server {
    /// Follows the link: after it was down, any change may have been missed.
    async fn listen(&self) {
        let mut events = self.link.subscribe(EVENT_DEPTH, |_| false);
        while let Some(event) = events.recv().await {
            if matches!(event, LinkEvent::Up(_) | LinkEvent::Missed(_)) {
                self.inbox.everything();
            }
        }
        // The link's task has ended permanently: the process is ending.
        std::future::pending::<()>().await;
    }

    /// Returns the repeated check, a moment later, of a peer after a notification: by then an answer that Asterisk was
    /// reading is in its cache, and a registration in progress is in its database.
    fn again(todo: Todo) -> Option<(Instant, Todo)> {
        let at = if todo.ended { Some(Instant::now() + READ_LASTS) } else { None };
        let at = at.max(todo.again_at)?;
        Some((at, Todo { ended: false, again_at: None, ..todo }))
    }

    /// Sends the changes in the server's inbox, as long as the server is reachable.
    async fn tell_all(&self) {
        let mut again: Vec<(Instant, Box<str>, Todo)> = Vec::new();
        let mut failing = false;
        loop {
            let next = again.iter().map(|(at, _, _)| *at).min();
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { () = self.inbox.filled() => {}, () = wait => {} }
            let now = Instant::now();
            for (_, name, mut todo) in again.extract_if(.., |(at, _, _)| *at <= now) {
                // A peer that may register again keeps its registration.
                todo.unregister &= !self.shared.directory.peer(&name).is_some_and(|peer| peer.in_force());
                self.inbox.put(&name, todo);
            }
            if !self.link.is_up() {
                // The server is handled when its link is up again.
                continue;
            }
            let pending = self.inbox.take();
            if pending.is_empty() {
                continue;
            }
            match self.tell(&pending).await {
                Ok(()) => {
                    failing = false;
                    let due = |(name, todo): (Box<str>, Todo)| {
                        let (at, todo) = Self::again(todo)?;
                        Some((at, name, todo))
                    };
                    again.extend(pending.names.into_iter().filter_map(due));
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(server = self.link.server(), %error, "a change of peers was not taken; it is told again");
                    }
                    failing = true;
                    self.inbox.put_back(pending);
                    tokio::time::sleep(RETRY_AFTER).await;
                    self.inbox.wake();
                }
            }
        }
    }

    async fn tell(&self, pending: &Pending) -> Result<(), AmiError> {
        if pending.everything {
            self.expire_everything().await?;
        } else {
            self.expire_named(&pending.names).await?;
        }
        if pending.everything || pending.names.values().any(|todo| todo.kind == PeerKind::Ipa) {
            self.read_addresses_anew().await?;
        }
        if pending.everything {
            self.look_at_contacts().await?;
        }
        let unregister = |todo: &Todo| todo.unregister && todo.kind.has_password();
        for (name, _) in pending.names.iter().filter(|(_, todo)| unregister(todo)) {
            self.drop_contacts(name).await?;
        }
        if pending.everything || pending.names.values().any(|todo| todo.ended) {
            self.hang_up(pending).await?;
        }
        Ok(())
    }

    async fn expire_everything(&self) -> Result<(), AmiError> {
        for cache in CACHES {
            let there = self.link.sorcery_memory_cache_expire(cache).await?;
            self.note_cache(cache, there);
        }
        Ok(())
    }

    /// Expires the named objects. An object that is not cached counts as expired.
    async fn expire_named(&self, names: &HashMap<Box<str>, Todo>) -> Result<(), AmiError> {
        let mut expiring = Vec::with_capacity(names.len() * CACHES.len());
        for (name, todo) in names {
            let caches = if todo.kind.has_password() { &CACHES[..] } else { &CACHES[..1] };
            for cache in caches {
                expiring.push(self.link.sorcery_memory_cache_expire_object(cache, name));
            }
        }
        let mut expired = stream::iter(expiring).buffer_unordered(AT_ONCE);
        while let Some(asked) = expired.next().await {
            asked?;
        }
        Ok(())
    }

    /// Empties the cache of all addresses and fills it again, because single objects in it cannot be expired.
    async fn read_addresses_anew(&self) -> Result<(), AmiError> {
        let there = self.link.sorcery_memory_cache_expire(IDENTIFY_CACHE).await?;
        self.note_cache(IDENTIFY_CACHE, there);
        self.link.sorcery_memory_cache_populate(IDENTIFY_CACHE).await.map(drop)
    }

    fn note_cache(&self, cache: &str, there: bool) {
        if !there && !self.complained.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                server = self.link.server(),
                cache,
                "this Asterisk does not cache peers: is its sorcery.conf the one of asterisk-conf?"
            );
        }
    }

    /// Removes every registration that is not allowed.
    async fn look_at_contacts(&self) -> Result<(), AmiError> {
        let contacts = match self.link.db_get_tree(registrations::FAMILY).await {
            Ok(contacts) => contacts,
            Err(error @ AmiError::Incomplete { .. }) => {
                // Too many contacts to list. They expire within an hour, and cannot be renewed.
                tracing::warn!(server = self.link.server(), %error, "who is registered could not be looked at");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (key, _) in contacts {
            let Some((name, _)) = key.rsplit_once(";@") else { continue };
            if self.shared.directory.peer(name).is_some_and(|peer| !peer.in_force()) {
                self.link.db_del(registrations::FAMILY, &key).await?;
            }
        }
        Ok(())
    }

    async fn drop_contacts(&self, name: &str) -> Result<(), AmiError> {
        for key in registrations::contacts(&self.link, name).await? {
            self.link.db_del(registrations::FAMILY, &key).await?;
        }
        Ok(())
    }

    async fn hang_up(&self, pending: &Pending) -> Result<(), AmiError> {
        let directory = Arc::clone(&self.shared.directory);
        let everything = pending.everything;
        let ended: std::collections::HashSet<Box<str>> =
            pending.names.iter().filter(|(_, todo)| todo.ended).map(|(name, _)| name.clone()).collect();
        let must_end = move |name: &str| match directory.peer(name) {
            // The peer was enabled again meanwhile: new calls are allowed, and its older calls had to end.
            Some(peer) => ended.contains(name) || (everything && !peer.in_force()),
            None => ended.contains(name),
        };
        self.shared.hang_up.hang_up(self.link.clone(), Arc::new(must_end)).await
    }
}
