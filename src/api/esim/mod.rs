//! `/esim-api/`, and the paths without a key: QR codes under names that cannot be guessed, notifications of the upstream.

mod balance;
mod buy;
mod coverage;
mod offer;
mod order_row;
mod orders;
mod packages;
mod public;
mod sync_order;

pub(super) use self::public::router;

use super::route::{Route, route};

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
