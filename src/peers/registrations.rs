//! Registrations at an Asterisk server, which keeps them itself and is queried.
//!
//! Asterisk does not report them: of an endpoint that was read over realtime, and not all at once at the start,
//! Asterisk 22 sends no `ContactStatus`. So a list queries the registrations of its names when it is shown, and
//! contacts to remove are looked up when they must be removed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use tokio::sync::Semaphore;

use crate::ami::{Action, AmiError, Link, Links};

/// Family of registrations in Asterisk's own database: `registrar/contact/<name>;@<hash>`.
pub const FAMILY: &str = "registrar/contact";
/// Maximum time that a list waits for the servers' answers.
const LIST_PATIENCE: Duration = Duration::from_millis(1_500);
/// Maximum concurrent lists: a link has room for some hundred requests, and changes of calls' ends use it too.
static LISTS: Semaphore = Semaphore::const_new(2);
/// Maximum concurrent requests per server.
const AT_ONCE: usize = 16;

/// The keys of a peer's contacts.
///
/// ```text
/// Action: DBGetTree
/// Family: registrar/contact
/// Key: 1001;@%
/// ```
///
/// Asterisk compares by SQL's LIKE: `%` stands for the hash, and a `_` in the name for any character, so the results
/// are compared again.
pub async fn contacts(link: &Link, name: &str) -> Result<Vec<String>, AmiError> {
    let wanted = Action::new("DBGetTree").with("Family", FAMILY)?.with("Key", format!("{name};@%"))?;
    let items = link.list(wanted).await?;
    let of_name = |key: &str| key.rsplit_once(";@").is_some_and(|(of, _)| of == name);
    let keys = items
        .iter()
        .filter_map(|item| item.get("Key")?.strip_prefix('/')?.strip_prefix(FAMILY)?.strip_prefix('/'));
    Ok(keys.filter(|key| of_name(key)).map(str::to_owned).collect())
}

/// Reports whether peers are registered at a server, by name. A peer for which no server answered is missing.
pub async fn registered(links: &Links, names: &[&str]) -> HashMap<String, bool> {
    let mut found: HashMap<String, bool> = HashMap::new();
    for link in links.iter().filter(|link| link.is_up()) {
        let mut asking = Vec::with_capacity(names.len());
        for name in names {
            asking.push(registered_at(link, name));
        }
        let mut answers = stream::iter(asking).buffer_unordered(AT_ONCE);
        while let Some((name, answer)) = answers.next().await {
            match answer {
                Ok(registered) => *found.entry(name.to_owned()).or_default() |= registered,
                Err(error) => {
                    tracing::debug!(server = link.server(), %error, "who is registered is not known");
                }
            }
        }
    }
    found
}

/// Returns the names that a server reports in time as registered: for lists, which must not wait for a server that is
/// unreachable or slow.
pub async fn known_registered(links: Option<&Links>, names: &[&str]) -> HashSet<String> {
    let Some(links) = links else { return HashSet::new() };
    let asked = async {
        // The semaphore is never closed.
        let _turn = LISTS.acquire().await;
        registered(links, names).await
    };
    let found = tokio::time::timeout(LIST_PATIENCE, asked).await.unwrap_or_default();
    found.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
}

async fn registered_at<'a>(link: &Link, name: &'a str) -> (&'a str, Result<bool, AmiError>) {
    let asked = async {
        // Read by the aor, which Asterisk finds by its key; reading the tree above searches all of it.
        let action = Action::new("Getvar").with("Variable", format!("PJSIP_AOR({name},contact)"))?;
        let answer = link.ask(action).await?;
        Ok(answer.get("Value").is_some_and(|contacts| !contacts.is_empty()))
    };
    (name, asked.await)
}
