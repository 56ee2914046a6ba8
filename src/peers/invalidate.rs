//! Makes changes of peers bite on running Asterisk servers, over their manager interfaces.
//!
//! Asterisk keeps what it has read of a peer in its sorcery caches, who is registered in its own database, and calls in
//! channels. So a change is told to each server: the cached objects are expired, all addresses are read anew, the
//! contact is dropped, the channels are hung up. A server that is away, or did not answer, has what it was not told in
//! its [`Inbox`]; after it came back everything is looked at, because events may have been missed as well.
//!
//! Three races are closed. What Asterisk was reading when it changed is expired again after it has been put into the cache
//! ([`crate::sip::changes`]). A registration that was under way when its peer was switched off is dropped by a second look,
//! a moment later. A call that was being authorised then is refused by authorise itself.

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

/// The caches of what has a name, as `sorcery.conf` makes them.
const CACHES: [&str; 3] = ["res_pjsip/endpoint", "res_pjsip/auth", "res_pjsip/aor"];
/// The cache of all addresses.
const IDENTIFY_CACHE: &str = "res_pjsip/identify";
/// Actions under way at once to one server.
const AT_ONCE: usize = 16;
/// Changes of the link's state that may wait; no event is asked for.
const EVENT_DEPTH: usize = 16;
/// How long after a failure it is tried again, while the link is up.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Q.850: call rejected, the cause that a peer's calls end with when it is switched off.
const CAUSE_REJECTED: u8 = 21;

/// Whether a peer's calls must end.
pub type Ended = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// What a hang-up answers.
pub type HungUp = Pin<Box<dyn Future<Output = Result<(), AmiError>> + Send>>;

/// Ends the live calls of peers at one server.
pub trait HangUp: Send + Sync + 'static {
    /// Ends every call at the link's server whose calling endpoint `ended` names. An error is tried again.
    fn hang_up(&self, link: Link, ended: Ended) -> HungUp;
}

/// Hangs up channels by the endpoint in their name: `PJSIP/1001-0000002a`.
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

/// What is needed to tell servers of changes.
pub struct Invalidation {
    /// The peers.
    pub directory: Arc<Directory>,
    /// Ends calls.
    pub hang_up: Arc<dyn HangUp>,
}

impl std::fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invalidation").finish_non_exhaustive()
    }
}

impl Invalidation {
    /// Tells every server, until `stop`. The tasks end by themselves only then.
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

/// One server.
struct Server {
    shared: Arc<Invalidation>,
    link: Link,
    inbox: Arc<Inbox>,
    /// That it has no cache of peers was said.
    complained: AtomicBool,
}

impl Server {
    /// Follows the link: after it was away, anything may have been missed.
    async fn listen(&self) {
        let mut events = self.link.subscribe(EVENT_DEPTH, |_| false);
        while let Some(event) = events.recv().await {
            if matches!(event, LinkEvent::Up(_) | LinkEvent::Missed(_)) {
                self.inbox.everything();
            }
        }
        // The link's task is gone for good: the process is ending.
        std::future::pending::<()>().await;
    }

    /// What has to be looked at once more, a moment later, after a peer was told of: an answer that Asterisk was reading
    /// is in its cache by then, and a registration that was under way in its database.
    fn again(todo: Todo) -> Option<(Instant, Todo)> {
        let at = if todo.ended { Some(Instant::now() + READ_LASTS) } else { None };
        let at = at.max(todo.again_at)?;
        Some((at, Todo { ended: false, again_at: None, ..todo }))
    }

    /// Tells the server whatever its inbox holds, as long as it can be told.
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
                // Who can register by now may stay.
                todo.unregister &= !self.shared.directory.peer(&name).is_some_and(|peer| peer.in_force());
                self.inbox.put(&name, todo);
            }
            if !self.link.is_up() {
                // It says so when it is back.
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

    /// That an object is not cached is as good as that it was expired.
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

    /// The cache of all addresses knows no single object: it is emptied and filled again.
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

    /// Drops everybody who is registered and must not be.
    async fn look_at_contacts(&self) -> Result<(), AmiError> {
        let contacts = match self.link.db_get_tree(registrations::FAMILY).await {
            Ok(contacts) => contacts,
            Err(error @ AmiError::Incomplete { .. }) => {
                // Too many to be listed. They end by themselves within an hour, and cannot be renewed.
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
            // Switched on again meanwhile: whoever calls now may, and its older calls had to end.
            Some(peer) => ended.contains(name) || (everything && !peer.in_force()),
            None => ended.contains(name),
        };
        self.shared.hang_up.hang_up(self.link.clone(), Arc::new(must_end)).await
    }
}
