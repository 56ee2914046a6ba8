//! `/esim-api/`, and beside it what needs no key: QR codes under names that cannot be guessed, the upstream's notices.

mod balance;
mod buy;
mod coverage;
mod order_row;
mod orders;
mod packages;
mod public;
mod sync_order;

pub(super) use self::public::router;

use super::endpoint::{Call, Route, route};
use super::error::ApiError;
use crate::esim::catalogue::Rates;

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<packages::Packages>(),
        route::<coverage::Coverage>(),
        route::<balance::Balance>(),
        route::<buy::Buy>(),
        route::<orders::Orders>(),
        route::<sync_order::SyncOrder>(),
    ]
}

/// Refuses where eSIMs are not sold.
fn offered(call: &Call) -> Result<(), ApiError> {
    if call.services().config.esim.is_on() { Ok(()) } else { Err(not_offered()) }
}

fn not_offered() -> ApiError {
    ApiError::refused("not_offered", "eSIMs are not offered here")
}

/// The exchange rates in force.
async fn rates(call: &Call) -> Result<Rates, ApiError> {
    Ok(crate::esim::rates(&call.api.esim).await?)
}
