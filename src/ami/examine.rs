//! Looks a server over, for `tollgate doctor`: can we get in, is it the one that is meant, may the user do what is needed,
//! and not more.

use std::sync::Arc;

use super::keeper::Failure;
use super::login::{Login, LoginError};
use super::settings::Settings;
use super::{Action, stream};
use crate::clock::Clock;

/// What is needed, and by which class the user may do it.
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
/// What makes changed peers take effect: there when `res_sorcery_memory_cache.so` is loaded.
const CACHE: [&str; 3] =
    ["SorceryMemoryCacheExpire", "SorceryMemoryCacheExpireObject", "SorceryMemoryCachePopulate"];
/// What the user must not be able to do, and the class that lets it.
const TOO_MUCH: [(&str, &str); 4] =
    [("Originate", "originate"), ("Command", "command"), ("UpdateConfig", "config"), ("AGI", "agi")];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// Nobody could get in: not reached, not answered, not let in, or not the server that is meant; in words.
    NotIn(String),
    /// Logged in.
    In(Rights),
}

/// What the manager user may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// `AsteriskVersion`.
    pub version: String,
    /// Whether the server says that it is booted: it does so at once to whoever may read class `system`.
    pub hears_system: bool,
    /// What is needed and not allowed, or not there: the action, and the class that would allow it (empty if all may).
    pub missing: Vec<(&'static str, &'static str)>,
    /// Whether cached peers can be expired.
    pub has_cache: bool,
    /// What is allowed and must not be: the action, and the class that allows it.
    pub too_much: Vec<(&'static str, &'static str)>,
}

/// Connects, logs in, looks, logs off.
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
    // The names of all actions that this user may carry out: nothing has to be tried.
    let listed = login.ask(Action::new("ListCommands")).await?;
    let is_allowed = |action: &str| listed.get(action).is_some();
    let pick = |from: &[(&'static str, &'static str)], allowed: bool| {
        from.iter().filter(|(action, _)| is_allowed(action) == allowed).copied().collect::<Vec<_>>()
    };
    let (missing, too_much) = (pick(&NEEDED, false), pick(&TOO_MUCH, true));
    let has_cache = CACHE.iter().all(|action| is_allowed(action));
    let version = match login.identify(0).await {
        // It is among what is missing.
        Err(LoginError::Refused(..)) => String::new(),
        identified => identified?.version,
    };
    let rights = Rights { version, hears_system: login.is_booted(), missing, has_cache, too_much };
    // It is told to go; whether it answers is all the same.
    let _ = login.ask(Action::new("Logoff")).await;
    Ok(rights)
}
