//! Keeps a server connected: connects, logs in, serves, and reconnects when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Ended};
use super::login::{Login, LoginError};
use super::metrics::LinkMetrics;
use super::settings::Settings;
use super::shared::{Command, Shared};
use super::stream::{self, Reader, Writer};
use super::{AmiError, Session};
use crate::clock::Clock;
use crate::dial::{Backoff, DialError};

/// Interval at which pending notices are offered to a slow subscriber.
const SETTLE_EVERY: Duration = Duration::from_millis(50);
/// Minimum duration of a stable session: after its loss the retry delay starts at its minimum again.
const STEADY: Duration = Duration::from_secs(1);

/// Runs the task of a link.
pub(super) async fn keep(
    settings: Settings,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let settling = async {
        let mut rounds = interval(SETTLE_EVERY);
        loop {
            rounds.tick().await;
            shared.settle();
        }
    };
    tokio::select! {
        () = connect_again_and_again(&settings, &shared, &mut commands, &clock, &stop) => {}
        () = settling => {}
    }
    shared.set_away("the service stops");
    shared.settle();
}

async fn connect_again_and_again(
    settings: &Settings,
    shared: &Arc<Shared>,
    commands: &mut mpsc::Receiver<Command>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) {
    let mut sessions = 0;
    let timing = settings.timing;
    let mut retry = Backoff::new(timing.retry_first, timing.retry_longest, timing.retry_refused);
    loop {
        let coming = come_in(settings, shared, clock, sessions + 1);
        let Some(came) = meanwhile(coming, settings, commands, stop).await else { return };
        let wait = match came {
            Ok((session, halves)) => {
                sessions += 1;
                shared.up(session);
                let began = Instant::now();
                match Connection::new(settings, shared, halves).serve(commands, stop).await {
                    Ended::Stopped => return,
                    Ended::Lost(reason) => shared.away(&reason),
                }
                if began.elapsed() >= STEADY {
                    retry.reset();
                }
                retry.after_failure()
            }
            Err(failure) => {
                LinkMetrics::count(&shared.metrics.failures);
                shared.away(&failure.to_string());
                if failure.is_lasting() { retry.after_refusal() } else { retry.after_failure() }
            }
        };
        let Some(()) = meanwhile(sleep(wait), settings, commands, stop).await else { return };
    }
}

/// Runs `work` and refuses actions requested meanwhile. `None`: the service stops, or the last handle was dropped.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    settings: &Settings,
    commands: &mut mpsc::Receiver<Command>,
    stop: &CancellationToken,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            done = &mut work => return Some(done),
            command = commands.recv() => {
                command?.waiting.fail(AmiError::Away { server: settings.server.clone() });
            }
        }
    }
}

/// Reason why the connection or login failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Connect(#[from] DialError),
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Failure {
    const fn is_lasting(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_lasting(),
            Self::Login(error) => error.is_lasting(),
        }
    }
}

async fn come_in(
    settings: &Settings,
    shared: &Arc<Shared>,
    clock: &Arc<dyn Clock>,
    number: u64,
) -> Result<(Session, (Reader, Writer)), Failure> {
    let (reader, writer) = stream::connect(settings, Arc::clone(clock), Arc::clone(&shared.heard_ms)).await?;
    let mut login = Login::new(settings, reader, writer);
    let session = login.run(number, || shared.away("Asterisk is still starting")).await?;
    let (mut reader, writer) = login.into_parts();
    shared.note_last_life();
    reader.is_the_right_one();
    Ok((session, (reader, writer)))
}
