//! Who is registered at an Asterisk: it keeps that itself, and is asked.
//!
//! It tells nobody by itself: of an endpoint that was read over realtime, and not all at once at the start, Asterisk 22
//! sends no `ContactStatus`. So a list asks about its names when it is shown, and what must go is looked for when it
//! must go.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use crate::ami::{Action, AmiError, Link, Links};

/// Where Asterisk keeps who is registered, in its own database: `registrar/contact/<name>;@<hash>`.
pub const FAMILY: &str = "registrar/contact";
/// Questions under way at once to one server.
const AT_ONCE: usize = 16;
/// How long a list waits for Asterisk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The keys of a peer's contacts.
///
/// ```text
/// Action: DBGetTree
/// Family: registrar/contact
/// Key: 1001;@%
/// ```
///
/// Asterisk compares by SQL's LIKE: `%` stands for the hash, and a `_` in the name for any character, so what comes is
/// compared again.
pub async fn contacts(link: &Link, name: &str) -> Result<Vec<String>, AmiError> {
    let wanted = Action::new("DBGetTree").with("Family", FAMILY)?.with("Key", format!("{name};@%"))?;
    let items = link.list(wanted).await?;
    let of_name = |key: &str| key.rsplit_once(";@").is_some_and(|(of, _)| of == name);
    let keys = items
        .iter()
        .filter_map(|item| item.get("Key")?.strip_prefix('/')?.strip_prefix(FAMILY)?.strip_prefix('/'));
    Ok(keys.filter(|key| of_name(key)).map(str::to_owned).collect())
}

/// Whether peers are registered somewhere, by name. One is missing whose answer no server gave.
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

/// As [`registered`], for a list that is shown at once: whom no server has answered about within a second is not.
pub async fn registered_at_once(links: Option<&Links>, names: &[&str]) -> HashMap<String, bool> {
    let Some(links) = links else { return HashMap::new() };
    tokio::time::timeout(PATIENCE, registered(links, names)).await.unwrap_or_default()
}

async fn registered_at<'a>(link: &Link, name: &'a str) -> (&'a str, Result<bool, AmiError>) {
    let asked = async {
        // By the aor, which Asterisk finds by its key; the tree above is searched from end to end.
        let action = Action::new("Getvar").with("Variable", format!("PJSIP_AOR({name},contact)"))?;
        let answer = link.ask(action).await?;
        Ok(answer.get("Value").is_some_and(|contacts| !contacts.is_empty()))
    };
    (name, asked.await)
}
