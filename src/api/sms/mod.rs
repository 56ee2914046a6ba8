//! `/sms-api/`: messages, for clients of their own and for resellers of their clients'.

mod rates;
mod whose;

use super::endpoint::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![route::<rates::Rates>()]
}
