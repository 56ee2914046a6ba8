//! Deletes rows past their retention time: a few at a time, with pauses, so that no settlement waits.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::services::Services;
use crate::store::StoreError;
use crate::store::expired::Expired;

/// Interval between two runs.
const EVERY: Duration = Duration::from_mins(10);
/// Rows deleted in one transaction.
const AT_ONCE: i64 = 200;
/// Pause between two transactions: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// Retention of changes in the feed, in hours, for the processes that read them.
const FEED_HOURS: i64 = 24;

/// Deletes expired rows until `stop`.
pub(super) async fn prune(services: Arc<Services>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        for expired in Expired::ALL {
            if let Some(Err(error)) = stop.run_until_cancelled(prune_once(&services, expired)).await {
                tracing::warn!(?expired, %error, "expired rows not deleted");
            }
        }
    }
}

/// Returns the retention of these rows in hours.
fn kept_hours(expired: Expired, limits: &Limits) -> i64 {
    let days = match expired {
        Expired::Feed => return FEED_HOURS,
        Expired::IdempotentAnswers => limits.idempotency_days,
        Expired::FailedTransfers | Expired::UncreditedPayments => limits.kept_failures_days,
        Expired::RefusalCounts => limits.refused_counts_days,
    };
    24 * i64::from(days)
}

/// Deletes all expired rows of a kind and returns their number.
pub async fn prune_once(services: &Services, expired: Expired) -> Result<u64, StoreError> {
    let before =
        services.clock.now() - SignedDuration::from_hours(kept_hours(expired, &services.config.limits));
    let mut deleted = 0;
    loop {
        let some = services.store.delete_expired(expired, before, AT_ONCE).await?;
        deleted += some;
        if some < AT_ONCE.unsigned_abs() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if deleted > 0 {
        tracing::info!(?expired, deleted, "expired rows deleted");
    }
    Ok(deleted)
}
