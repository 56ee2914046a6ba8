//! `/reseller-api/`: what resellers ask, and their white-label portals for them.

mod client_auth;
mod client_callerids;
mod client_calls;
mod client_dashboard;
mod client_failed_calls;
mod client_profile_update;
mod client_refills;
mod client_sip;
mod client_softphone_token;
mod fields;
mod me;
mod portal_bootstrap;
mod register_agent_payment;
mod reset_client_password;
mod reset_client_sip_password;
mod transactions;
mod transfer;

use super::endpoint::{Route, route};

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
    ]
}
