//! `/client-api/`: what a client's own scripts ask.

mod me;

use super::endpoint::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![route::<me::Me>()]
}
