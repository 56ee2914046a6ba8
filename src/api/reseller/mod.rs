//! `/reseller-api/`: what resellers ask, and their white-label portals for them.

mod client_callerids;
mod client_calls;
mod client_failed_calls;
mod client_refills;
mod me;

use super::endpoint::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<me::Me>(),
        route::<client_calls::ClientCalls>(),
        route::<client_failed_calls::ClientFailedCalls>(),
        route::<client_refills::ClientRefills>(),
        route::<client_callerids::ClientCallerids>(),
    ]
}
