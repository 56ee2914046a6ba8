//! Whether an order that was asked for without a clear answer was bought: what the upstream's own list of purchases proves.

use jiff::SignedDuration;

use super::upstream::Upstream;
use crate::services::Services;
use crate::store::StoreError;
use crate::store::esim_orders::EsimOrder;

/// How long after the last try that had no clear answer the upstream's list is taken for whole: an eSIM is allocated within
/// 30 s, and listed then.
pub(super) const LISTED_AFTER_MS: u64 = 45_000;
/// So much is looked at before and after the time in question: clocks and zones may differ.
const AROUND: SignedDuration = SignedDuration::from_hours(24);

/// What the upstream's list of what was bought says of an order.
pub(super) enum Listed {
    /// It was bought, under this number of the upstream's.
    Bought(String),
    /// It is not in a list that has another order of ours of about that time.
    Absent,
    /// Nothing.
    Untold(String),
}

/// Looks for an order in what the upstream says was bought. A list that lacks it proves something only if it has what it
/// must have: an order of ours that was charged is looked for too.
pub(super) async fn listed(
    services: &Services,
    upstream: &Upstream,
    order: &EsimOrder,
) -> Result<Listed, StoreError> {
    let known = services.store.esim_order_newest_charged().await?;
    let made = order.new.created_at;
    let since = known.as_ref().map_or(made, |known| known.new.created_at.min(made));
    let (now, limit) = (services.clock.now(), jiff::Timestamp::MAX);
    let from = since.checked_sub(AROUND).unwrap_or(since);
    let list = match upstream.bought(from, now.checked_add(AROUND).unwrap_or(limit)).await {
        Ok(list) => list,
        Err(error) => return Ok(Listed::Untold(error.to_string())),
    };
    let find = |order: &EsimOrder| list.iter().find(|row| row.transaction_id == order.new.transaction_id);
    Ok(match (find(order), known) {
        (Some(row), _) => Listed::Bought(row.order_no.clone()),
        (None, Some(known)) if find(&known).is_some() => Listed::Absent,
        (None, Some(_)) => Listed::Untold("its list lacks what we have from it".to_owned()),
        (None, None) => Listed::Untold("there is nothing that its list could be proven by".to_owned()),
    })
}
