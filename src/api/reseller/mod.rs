//! `/reseller-api/`: the API of resellers and of their white-label portals.

mod agent_markup;
mod change_plan;
mod client_auth;
mod client_callerids;
mod client_calls;
mod client_dashboard;
mod client_failed_calls;
mod client_profile_update;
mod client_rates;
mod client_refills;
mod client_sip;
mod client_softphone_token;
mod clients;
mod create_client;
mod fields;
mod get_client;
mod me;
mod own_plans;
mod plans;
mod portal_bootstrap;
mod preview_agent_markup;
mod register_agent_payment;
mod reset_client_password;
mod reset_client_sip_password;
mod set_agent_markup;
mod set_agent_rate;
mod set_client_status;
mod transactions;
mod transfer;

use super::route::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<me::Me>(),
        route::<transfer::Transfer>(),
        route::<transactions::Transactions>(),
        route::<register_agent_payment::RegisterAgentPayment>(),
        route::<portal_bootstrap::PortalBootstrap>(),
        route::<client_auth::ClientAuth>(),
        route::<client_dashboard::ClientDashboard>(),
        route::<client_sip::ClientSip>(),
        route::<reset_client_password::ResetClientPassword>(),
        route::<reset_client_sip_password::ResetClientSipPassword>(),
        route::<client_profile_update::ClientProfileUpdate>(),
        route::<client_softphone_token::ClientSoftphoneToken>(),
        route::<client_calls::ClientCalls>(),
        route::<client_failed_calls::ClientFailedCalls>(),
        route::<client_refills::ClientRefills>(),
        route::<client_callerids::ClientCallerids>(),
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
