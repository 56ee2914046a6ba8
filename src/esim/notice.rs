//! Notices of the upstream (webhooks). They carry no signature that could be relied on, so each only makes the worker ask
//! about the order that it names.

use std::time::Duration;

use crate::esim::state::Esim;
use crate::store::StoreError;

/// Time between a notice and the question about its order: a thousand notices within it are one question.
const DELAY: Duration = Duration::from_millis(500);

/// Schedules a question about the order that a notice names. A notice that names no known order is ignored.
pub async fn handle_notice(esim: &Esim, body: &[u8]) -> Result<(), StoreError> {
    // An upstream that cannot be opened has no orders to ask about.
    let Ok(upstream) = esim.upstream().await else { return Ok(()) };
    for name in upstream.names_in_notice(body) {
        if let Some(id) = esim.services.store.esim_order_named(&name).await? {
            esim.due.notify(id, DELAY);
            return Ok(());
        }
    }
    Ok(())
}
