//! `/reseller-api/`: what resellers ask, and their white-label portals for them.

mod agent_markup;
mod change_plan;
mod client_rates;
mod clients;
mod create_client;
mod get_client;
mod me;
mod own_plans;
mod plans;
mod preview_agent_markup;
mod set_agent_markup;
mod set_agent_rate;
mod set_client_status;

use super::endpoint::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<me::Me>(),
        route::<plans::Plans>(),
        route::<create_client::CreateClient>(),
        route::<get_client::GetClient>(),
        route::<clients::Clients>(),
        route::<set_client_status::SetClientStatus>(),
        route::<change_plan::ChangePlan>(),
        route::<agent_markup::AgentMarkup>(),
        route::<preview_agent_markup::PreviewAgentMarkup>(),
        route::<set_agent_markup::SetAgentMarkup>(),
        route::<set_agent_rate::SetAgentRate>(),
        route::<client_rates::ClientRates>(),
    ]
}
