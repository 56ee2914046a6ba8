//! `/sms-api/`.

use super::endpoint::Route;

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    Vec::new()
}
