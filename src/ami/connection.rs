//! A logged-in connection: sends actions, receives answers and events until it is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::codec::Frame;
use super::metrics::LinkMetrics;
use super::pending::{Pending, Taken, Waiting};
use super::settings::Settings;
use super::shared::{Command, Shared};
use super::stream::{Reader, Writer};
use super::{Action, AmiError, Event, Message};

/// Maximum number of actions that wait for their answer; further ones wait in the link's queue. Asterisk executes them
/// sequentially, so more in flight would gain nothing.
pub(super) const MAX_IN_FLIGHT: usize = 256;
/// Number of unanswered pings after which the server counts as gone.
const MAX_MISSED_PINGS: u32 = 2;
/// Number of deadline checks per `quiet` interval: often enough for tests and for people.
const TICKS_PER_QUIET: u32 = 20;

/// Reason why a connection ended.
pub(super) enum Ended {
    /// The connection was lost.
    Lost(String),
    /// The service is stopping, or the last handle of the link was dropped.
    Stopped,
}

/// A logged-in connection.
pub(super) struct Connection<'a> {
    settings: &'a Settings,
    shared: &'a Arc<Shared>,
    reader: Reader,
    writer: Writer,
    pending: Pending,
    /// Time of the last byte received; then the number of pings sent since, and the time of the last of them.
    heard: Instant,
    pings: u32,
    pinged: Instant,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        shared: &'a Arc<Shared>,
        (reader, writer): (Reader, Writer),
    ) -> Self {
        let pending = Pending::new(&settings.server);
        let heard = reader.heard();
        Self { settings, shared, reader, writer, pending, heard, pings: 0, pinged: heard }
    }

    /// Serves the link's handles until the end.
    pub(super) async fn serve(
        mut self,
        commands: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
    ) -> Ended {
        let mut ticks = interval(self.settings.timing.quiet / TICKS_PER_QUIET);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break Ended::Stopped,
                read = self.reader.next() => match read {
                    Ok(Some(frame)) => self.take(frame),
                    Ok(None) => break Ended::Lost("the server closed the connection".to_owned()),
                    Err(error) => break Ended::Lost(error.to_string()),
                },
                command = commands.recv(), if self.pending.len() < MAX_IN_FLIGHT => match command {
                    Some(command) => self.send(command),
                    None => break Ended::Stopped,
                },
                written = self.writer.write(), if self.writer.has_work() => if let Err(error) = written {
                    break Ended::Lost(format!("the connection broke: {error}"));
                },
                _ = ticks.tick() => if let Err(reason) = self.look_at_the_time() {
                    break Ended::Lost(reason);
                },
            }
        };
        let reason = match &ended {
            Ended::Lost(reason) => reason.as_str(),
            Ended::Stopped => "the service stops",
        };
        let lost = self.pending.lose(reason);
        self.count_unanswered(lost);
        if matches!(ended, Ended::Stopped) {
            // A server that does not process it detects the loss by itself.
            self.writer.queue(&Action::new("Logoff"), "0");
            let _ = tokio::time::timeout(self.settings.timing.answer, self.writer.write()).await;
        }
        ended
    }

    fn send(&mut self, command: Command) {
        let Command { action, deadline, waiting } = command;
        if waiting.is_forgotten() {
            return;
        }
        if deadline <= Instant::now() {
            LinkMetrics::count(&self.shared.metrics.busy);
            waiting.fail(AmiError::Busy { server: self.settings.server.clone() });
            return;
        }
        self.queue(&action, deadline, waiting);
    }

    fn queue(&mut self, action: &Action, deadline: Instant, waiting: Waiting) {
        LinkMetrics::count(&self.shared.metrics.actions);
        let id = self.pending.add(action.name(), deadline, waiting);
        self.writer.queue(action, &id);
        self.reader.expect_output(self.pending.awaits("Command"));
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Block(block) => self.take_block(block),
            Frame::Banner(_) | Frame::Dropped => self.count_malformed("a block was dropped"),
        }
    }

    fn take_block(&mut self, block: Message) {
        match self.pending.take(block) {
            Taken::Answer => self.reader.expect_output(self.pending.awaits("Command")),
            Taken::Event(block) => {
                LinkMetrics::count(&self.shared.metrics.events);
                self.shared.tell(Event::from(block));
            }
            Taken::Stray(what) => {
                LinkMetrics::count(&self.shared.metrics.strays);
                tracing::debug!(server = %self.settings.server, "{what}");
            }
            Taken::Malformed => self.count_malformed("a block is neither an answer nor an event"),
        }
    }

    fn count_malformed(&mut self, what: &'static str) {
        self.pending.spoil(what);
        LinkMetrics::count(&self.shared.metrics.malformed);
        // Logged at debug level: a sender of such blocks can send many.
        tracing::debug!(server = %self.settings.server, "{what}");
    }

    fn count_unanswered(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.shared.metrics.unanswered.fetch_add(count, Ordering::Relaxed);
    }

    /// Fails overdue actions, and pings a silent server.
    fn look_at_the_time(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let late = self.pending.expire(now);
        self.count_unanswered(late);
        if self.reader.heard() != self.heard {
            self.heard = self.reader.heard();
            self.pings = 0;
        }
        let quiet = self.settings.timing.quiet;
        // Each ping gets its full time, even if this process itself was suspended for a while.
        let since = if self.pings == 0 { self.heard } else { self.pinged };
        if now < since + quiet {
            return Ok(());
        }
        if self.pings == MAX_MISSED_PINGS {
            return Err("the server is silent: it answers no ping".to_owned());
        }
        self.pings += 1;
        self.pinged = now;
        self.queue(&Action::new("Ping"), now + self.settings.timing.answer, Waiting::Nobody);
        Ok(())
    }
}
