//! The login: authenticates, sets the event filters, and verifies the server's identity.

use md5::{Digest as _, Md5};
use tokio::time::{Instant, timeout_at};

use super::codec::{CodecError, Frame};
use super::event::WANTED;
use super::pending::action_id;
use super::settings::Settings;
use super::stream::{Reader, Writer};
use super::{Action, ActionError, Message, Session};
use crate::secrets::hex;

/// Reason why a login failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("{0}")]
    Read(#[from] CodecError),
    #[error("the connection broke: {0}")]
    Write(#[from] std::io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server is silent: no answer to {0}")]
    Silent(&'static str),
    #[error("{0} is refused: {1} (compare the user, its secret and its permit lines in site/manager.conf)")]
    Refused(&'static str, String),
    #[error("the manager user's name cannot be sent: {0}")]
    Unsendable(#[from] ActionError),
    #[error(
        "the server calls itself {found:?}, and is configured as {wanted:?}: set systemname in site/system.conf (asterisk.conf)"
    )]
    Stranger { found: String, wanted: String },
    #[error(
        "the server was not ready in time: it is still starting, or the manager user may not read class `system`"
    )]
    NotBooted,
    #[error("the server's answer to {0} cannot be read")]
    Unreadable(&'static str),
}

impl LoginError {
    /// Reports whether an early retry is useless because an operator must change something.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Refused(..)
                | Self::Unsendable(_)
                | Self::Stranger { .. }
                | Self::Read(CodecError::NotManager)
                | Self::NotBooted
        )
    }
}

/// A connection that is logging in.
pub(super) struct Login<'a> {
    pub(super) settings: &'a Settings,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    sent: u64,
    /// `Uptime` of the last `FullyBooted` in seconds.
    booted: Option<u64>,
}

impl<'a> Login<'a> {
    pub(super) const fn new(settings: &'a Settings, reader: Reader, writer: Writer) -> Self {
        Self { settings, reader, writer, sent: 0, booted: None }
    }

    /// Performs the whole login; calls `waiting` when the server turns out to be still starting.
    pub(super) async fn run(&mut self, number: u64, waiting: impl Fn()) -> Result<Session, LoginError> {
        self.authenticate().await?;
        if self.booted.is_none() {
            waiting();
            self.wait_for_boot().await?;
        }
        for event in WANTED {
            let filter = Action::new("Filter")
                .with("Operation", "Add")?
                .with("MatchCriteria", format!("name({event})"))?;
            self.ask(filter).await?;
        }
        let session = self.identify(number).await?;
        // Last: later events are delivered to subscribers.
        self.ask(Action::new("Events").with("EventMask", "system,call")?).await?;
        Ok(session)
    }

    /// Reads the banner and logs in. System events are enabled at first: a ready server reports so at once, as the
    /// first of them.
    pub(super) async fn authenticate(&mut self) -> Result<(), LoginError> {
        let deadline = Instant::now() + self.settings.timing.login;
        let banner = timeout_at(deadline, self.reader.next()).await;
        banner.map_err(|_| LoginError::Silent("the connection itself"))??.ok_or(LoginError::Closed)?;
        let challenge = self.ask(Action::new("Challenge").with("AuthType", "MD5")?).await?;
        let challenge = challenge.get("Challenge").ok_or(LoginError::Unreadable("Challenge"))?;
        let key = login_key(challenge, self.settings.secret.reveal());
        let login = Action::new("Login")
            .with("AuthType", "MD5")?
            .with("Username", self.settings.username.clone())?
            .with("Key", key)?
            .with("Events", "system")?;
        self.ask(login).await?;
        // The answer comes after the event.
        self.ask(Action::new("Ping")).await?;
        Ok(())
    }

    async fn wait_for_boot(&mut self) -> Result<(), LoginError> {
        let deadline = Instant::now() + self.settings.timing.boot;
        while self.booted.is_none() {
            if Instant::now() >= deadline {
                return Err(LoginError::NotBooted);
            }
            let asked = Instant::now() + self.settings.timing.quiet;
            // The wait is spent listening; then a ping shows if the server is alive at all.
            while self.booted.is_none() {
                let Ok(read) = timeout_at(asked, self.reader.next()).await else { break };
                self.note(&read?.ok_or(LoginError::Closed)?);
            }
            self.ask(Action::new("Ping")).await?;
        }
        Ok(())
    }

    pub(super) async fn identify(&mut self, number: u64) -> Result<Session, LoginError> {
        let settings = self.ask(Action::new("CoreSettings")).await?;
        let found = settings.get("SystemName").unwrap_or_default();
        if found != self.settings.server {
            let wanted = self.settings.server.clone();
            return Err(LoginError::Stranger { found: found.to_owned(), wanted });
        }
        let version = settings.get("AsteriskVersion").unwrap_or_default().to_owned();
        let status = self.ask(Action::new("CoreStatus")).await?;
        let (date, time) = (status.get("CoreStartupDate"), status.get("CoreStartupTime"));
        let (Some(date), Some(time)) = (date, time) else { return Err(LoginError::Unreadable("CoreStatus")) };
        let started = format!("{date} {time}");
        Ok(Session { number, started, uptime_seconds: self.booted.unwrap_or_default(), version })
    }

    /// Sends one action and waits for its answer. Other blocks are ignored at this stage.
    pub(super) async fn ask(&mut self, action: Action) -> Result<Message, LoginError> {
        let name = action.name();
        self.sent += 1;
        let id = action_id(self.sent);
        self.writer.queue(&action, &id);
        let deadline = Instant::now() + self.settings.timing.login;
        let answered = async {
            self.writer.write().await?;
            loop {
                let frame = self.reader.next().await?.ok_or(LoginError::Closed)?;
                self.note(&frame);
                let Frame::Block(block) = frame else { continue };
                if block.headed("Response").is_none() || block.get("ActionID") != Some(&id) {
                    continue;
                }
                if block.is_ambiguous() {
                    return Err(LoginError::Unreadable(name));
                }
                return match block.headed("Response") {
                    Some("Success" | "Goodbye") => Ok(block),
                    _ => Err(LoginError::Refused(
                        name,
                        block.get("Message").unwrap_or("no reason is given").trim().to_owned(),
                    )),
                };
            }
        };
        timeout_at(deadline, answered).await.unwrap_or(Err(LoginError::Silent(name)))
    }

    fn note(&mut self, frame: &Frame) {
        if let Frame::Block(block) = frame
            && block.headed("Event") == Some("FullyBooted")
        {
            let uptime = block.get("Uptime").and_then(|seconds| seconds.parse().ok());
            self.booted = Some(uptime.unwrap_or_default());
        }
    }

    /// Reports whether the server has sent `FullyBooted`.
    pub(super) const fn is_booted(&self) -> bool {
        self.booted.is_some()
    }

    /// Returns the logged-in connection.
    pub(super) fn into_parts(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }
}

/// Computes the proof of the secret: the MD5 of challenge and secret in hexadecimal digits.
fn login_key(challenge: &str, secret: &str) -> String {
    hex(&Md5::new().chain_update(challenge).chain_update(secret).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_digest_that_asterisk_expects() {
        // `printf 840415273secret5 | md5sum`
        assert_eq!(login_key("840415273", "secret5"), "d15b2e54ff3de8fb69f468f6fc9f8a60");
    }
}
