//! Looks for an order in the upstream's list of purchases.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::transition::Found;
use crate::esim::upstream::Upstream;
use crate::services::Services;
use crate::store::StoreError;
use crate::store::esim_orders::EsimOrder;

/// Time before and after an order that its list covers: clocks and time zones may differ.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// Looks for an order in the list of purchases; `submitted_ago` is the time since its last submission without a clear
/// answer. The absence of the order proves something only if the list contains what it must contain: an order of ours that
/// was charged is looked for too.
pub(super) async fn find_purchase(
    services: &Services,
    upstream: &dyn Upstream,
    order: &EsimOrder,
    submitted_ago: Duration,
) -> Result<Found, StoreError> {
    let known = services.store.esim_order_newest_charged().await?;
    let made = order.new.created_at;
    let since = known.as_ref().map_or(made, |known| known.new.created_at.min(made));
    let now = services.clock.now();
    let from = since.checked_sub(MARGIN).unwrap_or(since);
    let list = match upstream.list_purchases(from, now.checked_add(MARGIN).unwrap_or(Timestamp::MAX)).await {
        Ok(list) => list,
        Err(error) => return Ok(Found::Unclear(error.to_string())),
    };
    let find = |order: &EsimOrder| list.iter().find(|row| row.transaction_id == order.new.transaction_id);
    Ok(match (find(order), known) {
        (Some(row), _) => Found::Bought(row.order_no.clone()),
        (None, Some(known)) if find(&known).is_some() => {
            Found::Absent { is_conclusive: submitted_ago >= upstream.purchases_listed_within() }
        }
        (None, Some(_)) => Found::Unclear("its list lacks what we have from it".to_owned()),
        (None, None) => Found::Unclear("there is nothing that its list could be proven by".to_owned()),
    })
}
