//! Background tasks of a serving process.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::NodeError;
use super::requests::Requests;
use super::{notify, pruning};
use crate::accounts::{money, topups};
use crate::calls::Calls;
use crate::catalog::Catalog;
use crate::esim::{Esim, worker};
use crate::peers::proofs;
use crate::services::{FEED_ACCOUNT, Services};
use crate::store::within;

/// Interval at which the change feed is read.
const FEED_EVERY: Duration = Duration::from_millis(300);
/// Time limit for reading the feed.
const FEED_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the spool is tried again on an unavailable database.
const DRAIN_AGAIN: Duration = Duration::from_millis(250);
/// Interval at which in-doubt transfers are resolved.
const FIND_OUT_EVERY: Duration = Duration::from_secs(1);
/// Interval at which unsettled holds are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Interval at which exchange rates set for a later date are looked for.
const FX_EVERY: Duration = Duration::from_mins(1);

/// Starts the background tasks. On the calls' runtime: waiting call ends are written, unsettled holds are ended,
/// systemd is notified. On the runtime of requests: the feed after `position` is followed, top-ups are made, eSIM
/// orders completed, exchange rates checked, expired rows deleted.
pub(super) fn keep_moving(
    (services, calls, esim): (&Arc<Services>, &Arc<Calls>, &Arc<Esim>),
    position: i64,
    requests: &Requests,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    tasks.spawn(watch_writer(Arc::clone(services), stop.clone()));
    tasks.spawn(sweep(Arc::clone(calls), stop.clone()));
    tasks.spawn(drain(Arc::clone(calls), stop.clone()));
    let stop_watchdog = stop.clone();
    tasks.spawn(async move {
        notify::watchdog(stop_watchdog).await;
        Ok(())
    });
    let requests = requests.handle();
    let following = follow_feed(Arc::clone(services), Arc::clone(calls), position, stop.clone());
    spawn_until(tasks, requests, "the reader of the change feed", stop, following);
    let looking = look_after_catalog(Arc::clone(calls), stop.clone());
    spawn_until(tasks, requests, "the look at exchange rates", stop, looking);
    let topping_up = topups::carry_out(Arc::clone(services), Arc::clone(&calls.directory), stop.clone());
    spawn_until(tasks, requests, "the top-ups", stop, topping_up);
    let proving = proofs::carry_out(Arc::clone(services), Arc::clone(calls), stop.clone());
    spawn_until(tasks, requests, "the proofs of addresses", stop, proving);
    let finding_out = find_out(Arc::clone(services), stop.clone());
    spawn_until(tasks, requests, "the asking about movements of money", stop, finding_out);
    let pruning = pruning::prune(Arc::clone(services), stop.clone());
    spawn_until(tasks, requests, "the deletion of expired rows", stop, pruning);
    spawn_until(tasks, requests, "the eSIM worker", stop, worker::run(Arc::clone(esim), stop.clone()));
}

/// Runs a task on a runtime; the task may end only with `stop`.
pub(super) fn spawn_until(
    tasks: &mut JoinSet<Result<(), NodeError>>,
    runtime: &Handle,
    name: &'static str,
    stop: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let (stop, running) = (stop.clone(), runtime.spawn(task));
    tasks.spawn(async move {
        match running.await {
            Ok(()) if stop.is_cancelled() => Ok(()),
            Ok(()) => Err(NodeError::Crashed(name, "it ended by itself".to_owned())),
            Err(error) => Err(NodeError::Crashed(name, error.to_string())),
        }
    });
}

/// Applies changes made by other processes and by this one's own commands.
async fn follow_feed(services: Arc<Services>, calls: Arc<Calls>, mut position: i64, stop: CancellationToken) {
    let mut away = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FEED_EVERY) => {}
        }
        match take_in(&services, &calls, position).await {
            Ok(newer) => {
                position = newer;
                away = false;
            }
            Err(error) => {
                if !away {
                    tracing::warn!(%error, "the change feed could not be read");
                }
                away = true;
            }
        }
    }
}

/// Applies the feed from a position on; returns the position reached.
async fn take_in(services: &Services, calls: &Calls, mut position: i64) -> Result<i64, String> {
    loop {
        let changes =
            within(FEED_PATIENCE, services.store.changes_since(position)).await.map_err(|e| e.to_string())?;
        let Some(last) = changes.last() else { return Ok(position) };
        if changes.iter().any(|change| Catalog::concerns(&change.kind)) {
            calls.catalog.refresh().await.map_err(|e| e.to_string())?;
        }
        for change in changes.iter().filter(|change| change.kind == FEED_ACCOUNT) {
            services.reload_account(change.item_id).await.map_err(|e| e.to_string())?;
        }
        position = last.position;
    }
}

/// Fails if the ledger's writer ends before the process does.
async fn watch_writer(services: Arc<Services>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        if services.writer_has_ended().await {
            return Err(NodeError::Crashed("the ledger's writer", "it ended by itself".to_owned()));
        }
    }
}

/// Resolves in-doubt transfers and updates their wallets as soon as the ledger answers.
async fn find_out(services: Arc<Services>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FIND_OUT_EVERY) => {}
        }
        if let Err(error) = within(FEED_PATIENCE, money::find_out(&services)).await {
            tracing::debug!(%error, "it is not known yet what became of a movement of money");
        }
    }
}

/// Writes the spool's records as soon as the database is back.
async fn drain(calls: Arc<Calls>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        let drained = async {
            calls.spool.filled().await;
            if let Err(error) = calls.drain_spool().await {
                // The spool has logged the outage, and the writer the database's answer.
                tracing::debug!(%error, "the spool cannot be drained yet");
                tokio::time::sleep(DRAIN_AGAIN).await;
            }
        };
        // Safe to cancel at any point: a record written but not yet removed is written again, with effect once.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = drained => {}
        }
    }
}

/// Ends unsettled holds.
async fn sweep(calls: Arc<Calls>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP_EVERY) => calls.sweep().await,
        }
    }
}

/// Puts dated exchange rates into force.
async fn look_after_catalog(calls: Arc<Calls>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FX_EVERY) => {}
        }
        let repriced = calls.catalog.reprice(calls.clock.now()).await;
        match repriced {
            Ok(tariffs) if tariffs.is_empty() => {}
            Ok(tariffs) => tracing::info!(?tariffs, "a dated exchange rate is in force now"),
            Err(error) => tracing::warn!(%error, "exchange rates could not be looked at"),
        }
    }
}
