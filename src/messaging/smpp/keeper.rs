//! Keeps an SMSC connected: connects, binds, serves, and begins anew when the connection is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::session::{Ended, Session};
use super::settings::Settings;
use super::submission::{Outcome, Submission};
use crate::dial::{Backoff, dial};
use crate::messaging::connector::Receipts;

/// The task behind a connector.
pub(super) struct Keeper {
    pub(super) settings: Arc<Settings>,
    pub(super) receipts: Arc<dyn Receipts>,
    pub(super) is_bound: Arc<AtomicBool>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    /// The task: until the connector is closed.
    pub(super) async fn keep(self, mut queue: mpsc::Receiver<Submission>) {
        let timing = self.settings.timing;
        let mut retry = Backoff::new(timing.retry_first, timing.retry_longest, timing.retry_refused);
        let mut said = None;
        while !self.stop.is_cancelled() {
            let coming = self.meanwhile(self.connect(), &mut queue).await;
            let Some(came) = coming else { break };
            let (reason, wait) = match came {
                Ok(mut session) => {
                    self.note_bound(&mut said);
                    let ended = session.serve(&mut queue, &self.stop).await;
                    self.is_bound.store(false, Ordering::Relaxed);
                    match ended {
                        Ended::Stopped => break,
                        // A session that was good is begun anew soon; one that was not is not begun again and again.
                        Ended::Lost { reason, was_steady } => {
                            if was_steady {
                                retry.reset();
                            }
                            (reason, retry.after_failure())
                        }
                    }
                }
                Err(failure) if failure.is_lasting() => (failure.to_string(), retry.after_refusal()),
                Err(failure) => (failure.to_string(), retry.after_failure()),
            };
            self.note_away(reason, &mut said);
            if self.meanwhile(sleep(wait), &mut queue).await.is_none() {
                break;
            }
        }
        self.is_bound.store(false, Ordering::Relaxed);
        queue.close();
        while let Some(submission) = queue.recv().await {
            submission.resolve(Outcome::NotWritten("the service stops".to_owned()));
        }
    }

    async fn connect(&self) -> Result<Session, Failure> {
        let settings = &self.settings;
        let (host, tls) = (settings.host.as_str(), settings.tls.as_ref());
        let stream = dial(host, settings.port, tls, settings.timing.connect).await?;
        Session::bind(stream, Arc::clone(settings), Arc::clone(&self.receipts)).await
    }

    fn note_bound(&self, said: &mut Option<String>) {
        *said = None;
        self.is_bound.store(true, Ordering::Relaxed);
        let settings = &self.settings;
        let (host, port) = (&settings.host, settings.port);
        tracing::info!(provider = %settings.name, %host, port, "SMPP session bound");
    }

    /// Says why it is away, once.
    fn note_away(&self, reason: String, said: &mut Option<String>) {
        if said.as_ref() != Some(&reason) {
            tracing::warn!(provider = %self.settings.name, %reason, "message provider unavailable");
            *said = Some(reason);
        }
    }

    /// Waits for `work`, and refuses submissions meanwhile. `None`: the connector is closed.
    async fn meanwhile<T>(
        &self,
        work: impl Future<Output = T>,
        queue: &mut mpsc::Receiver<Submission>,
    ) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                done = &mut work => return Some(done),
                submission = queue.recv() => {
                    submission?.resolve(Outcome::NotWritten("not connected to the provider".to_owned()));
                }
            }
        }
    }
}
