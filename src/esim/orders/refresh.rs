//! Follows an eSIM after it was allocated: its state and usage.

use super::advance::AdvanceError;
use crate::esim::state::Esim;
use crate::esim::upstream::{Priority, UpstreamError};
use crate::store::StoreError;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// Asks the upstream about an allocated eSIM, and records its state and usage.
pub async fn refresh(esim: &Esim, id: i64) -> Result<(), AdvanceError> {
    let _lock = esim.lock_order(id).await;
    let Some(order) = esim.services.store.esim_order(id).await? else { return Ok(()) };
    let (Some(order_no), Some(_)) = (&order.order_no, order.tx_id) else { return Ok(()) };
    let now = esim.services.clock.now();
    let transaction_id = &order.new.transaction_id;
    let asked = match esim.upstream().await {
        Ok(upstream) => upstream.fetch_profile(Priority::Questions, order_no, transaction_id).await,
        Err(error) => Err(error),
    };
    match asked {
        // The eSIM that was paid for does not change.
        Ok(profile) if Some(&profile.iccid) == order.iccid.as_ref() => {
            let status = profile.state.status().unwrap_or(order.status);
            let bytes = (profile.total_bytes.or(order.total_bytes), profile.used_bytes.or(order.used_bytes));
            let expires_at = profile.expires_at.or(order.expires_at);
            let change = (order.status, status);
            if esim.services.store.esim_order_state(id, change, bytes, expires_at, now).await?
                && status != order.status
            {
                esim.services.metrics.esim_became(status.as_str());
            }
        }
        Ok(_) => {
            tracing::error!(order.id = id, "eSIM of an order has changed at the upstream");
            esim.services.store.esim_order_was_asked(id, now).await?;
        }
        Err(UpstreamError::Busy) => esim.services.metrics.esim_failed(UpstreamError::Busy.kind()),
        Err(error) => {
            esim.services.metrics.esim_failed(error.kind());
            tracing::info!(order.id = id, %error, "eSIM state not available");
            esim.services.store.esim_order_was_asked(id, now).await?;
        }
    }
    Ok(())
}

/// Records the usage of an eSIM. The order was read a while ago and without its lock: if it has changed since, it is left.
pub(crate) async fn record_usage(
    esim: &Esim,
    order: &EsimOrder,
    used: i64,
    total: i64,
) -> Result<(), StoreError> {
    let now = esim.services.clock.now();
    if order.used_bytes == Some(used) && order.total_bytes == Some(total) {
        return esim.services.store.esim_order_was_asked(order.new.id, now).await;
    }
    let status = match order.status {
        EsimStatus::Allocated if used > 0 => EsimStatus::InUse,
        status => status,
    };
    let bytes = (Some(total), Some(used));
    let change = (order.status, status);
    if !esim.services.store.esim_order_state(order.new.id, change, bytes, order.expires_at, now).await? {
        tracing::debug!(order.id = order.new.id, "eSIM usage not recorded: the order has changed");
    } else if status != order.status {
        esim.services.metrics.esim_became(status.as_str());
    }
    Ok(())
}
