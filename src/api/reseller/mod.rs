//! `/reseller-api/`: what resellers ask, and their white-label portals for them.

mod me;

use super::endpoint::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![route::<me::Me>()]
}
