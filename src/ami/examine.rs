//! Checks a server for `tollgate doctor`: reachability, identity, and the manager user's permissions, missing or
//! excessive.

use std::sync::Arc;

use super::keeper::Failure;
use super::login::{Login, LoginError};
use super::settings::Settings;
use super::{Action, stream};
use crate::clock::Clock;

/// Required actions, and the class that permits each.
const NEEDED: [(&str, &str); 12] = [
    ("Ping", ""),
    ("Filter", "system"),
    ("Events", ""),
    ("CoreStatus", "reporting"),
    ("CoreSettings", "reporting"),
    ("CoreShowChannels", "reporting"),
    ("Getvar", "call"),
    ("Hangup", "call"),
    ("AbsoluteTimeout", "call"),
    ("DBGet", "system"),
    ("DBGetTree", "system"),
    ("DBDel", "system"),
];
/// Actions that make changed peers take effect: available when `res_sorcery_memory_cache.so` is loaded.
const CACHE: [&str; 3] =
    ["SorceryMemoryCacheExpire", "SorceryMemoryCacheExpireObject", "SorceryMemoryCachePopulate"];
/// Actions that the user must not be able to execute, and the class that permits each.
const TOO_MUCH: [(&str, &str); 4] =
    [("Originate", "originate"), ("Command", "command"), ("UpdateConfig", "config"), ("AGI", "agi")];

/// Result of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// Login failed: server unreachable, no answer, refused, or the wrong server; in words.
    NotIn(String),
    /// Logged in.
    In(Rights),
}

/// Permissions of the manager user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// `AsteriskVersion`.
    pub version: String,
    /// True if the server reported that it is booted: it does so at once to users that may read class `system`.
    pub hears_system: bool,
    /// Required actions that are not permitted or do not exist, and the class that would permit each (empty if no class
    /// is needed).
    pub missing: Vec<(&'static str, &'static str)>,
    /// True if cached peers can be expired.
    pub has_cache: bool,
    /// Actions that are permitted and must not be, and the class that permits each.
    pub too_much: Vec<(&'static str, &'static str)>,
}

/// Connects, logs in, checks, logs off.
pub async fn examine(settings: &Settings, clock: Arc<dyn Clock>) -> Examined {
    match look(settings, clock).await {
        Ok(rights) => Examined::In(rights),
        Err(failure) => Examined::NotIn(failure.to_string()),
    }
}

async fn look(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Rights, Failure> {
    let (reader, writer) = stream::connect(settings, clock, Arc::default()).await?;
    let mut login = Login::new(settings, reader, writer);
    login.authenticate().await?;
    // Lists the names of all actions this user may execute, so that no action has to be tried.
    let listed = login.ask(Action::new("ListCommands")).await?;
    let is_allowed = |action: &str| listed.get(action).is_some();
    let pick = |from: &[(&'static str, &'static str)], allowed: bool| {
        from.iter().filter(|(action, _)| is_allowed(action) == allowed).copied().collect::<Vec<_>>()
    };
    let (missing, too_much) = (pick(&NEEDED, false), pick(&TOO_MUCH, true));
    let has_cache = CACHE.iter().all(|action| is_allowed(action));
    let version = match login.identify(0).await {
        // The refusal is already among the missing actions.
        Err(LoginError::Refused(..)) => String::new(),
        identified => identified?.version,
    };
    let rights = Rights { version, hears_system: login.is_booted(), missing, has_cache, too_much };
    // Its answer does not matter.
    let _ = login.ask(Action::new("Logoff")).await;
    Ok(rights)
}
