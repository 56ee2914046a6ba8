//! `/sms-api/`: messages, for clients themselves and for resellers on behalf of their clients.

mod account;
mod bulk;
mod campaigns;
mod cancel_campaign;
mod cancel_scheduled;
mod history;
mod message;
mod providers;
mod quota;
mod rates;
mod refusals;
mod schedule;
mod scheduled;
mod send;
mod status;

use super::route::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<providers::Providers>(),
        route::<rates::Rates>(),
        route::<quota::Quota>(),
        route::<send::Send>(),
        route::<schedule::Schedule>(),
        route::<scheduled::Scheduled>(),
        route::<cancel_scheduled::CancelScheduled>(),
        route::<bulk::Bulk>(),
        route::<campaigns::Campaigns>(),
        route::<cancel_campaign::CancelCampaign>(),
        route::<status::Status>(),
        route::<history::History>(),
    ]
}
