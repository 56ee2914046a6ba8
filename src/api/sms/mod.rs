//! `/sms-api/`: messages, for clients of their own and for resellers of their clients'.

mod bulk;
mod campaigns;
mod cancel_campaign;
mod cancel_scheduled;
mod history;
mod providers;
mod quota;
mod rates;
mod refusals;
mod schedule;
mod scheduled;
mod send;
mod shown;
mod status;
mod whose;

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
