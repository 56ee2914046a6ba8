//! `/client-api/`: the API of clients and subaccounts.

mod add_callerid;
mod balance;
mod callerids;
mod calls;
mod change_password;
mod change_plan;
mod clear_callerid;
mod create_sip;
mod delete_callerid;
mod delete_sip;
mod done;
mod ip_auth_create;
mod ip_auth_delete;
mod ip_auth_disable;
mod ip_auth_enable;
mod ip_auth_list;
mod me;
mod plans;
mod redeem_voucher;
mod refills;
mod set_callerid;
mod sip;
mod update_sip_password;

use super::route::{Route, route};

/// Its endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route::<me::Me>(),
        route::<balance::Balance>(),
        route::<plans::Plans>(),
        route::<change_plan::ChangePlan>(),
        route::<sip::Sip>(),
        route::<create_sip::CreateSip>(),
        route::<update_sip_password::UpdateSipPassword>(),
        route::<delete_sip::DeleteSip>(),
        route::<ip_auth_list::IpAuthList>(),
        route::<ip_auth_create::IpAuthCreate>(),
        route::<ip_auth_disable::IpAuthDisable>(),
        route::<ip_auth_enable::IpAuthEnable>(),
        route::<ip_auth_delete::IpAuthDelete>(),
        route::<callerids::Callerids>(),
        route::<add_callerid::AddCallerid>(),
        route::<set_callerid::SetCallerid>(),
        route::<delete_callerid::DeleteCallerid>(),
        route::<clear_callerid::ClearCallerid>(),
        route::<calls::Calls>(),
        route::<refills::Refills>(),
        route::<redeem_voucher::RedeemVoucher>(),
        route::<change_password::ChangePassword>(),
    ]
}
