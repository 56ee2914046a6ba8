//! The account whose messages a request is about.

use std::sync::Arc;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::directory::Account;
use crate::store::accounts::Kind;

/// The account a request is about: for a reseller's key the client named by `client_login`, or the reseller itself without
/// it; for any other key its own account, which `client_login` may name. Any other login is answered as an unknown one.
pub(super) fn named_account(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    let missing = || ApiError::missing("client_login", "client");
    match client_login {
        None => Ok(Arc::clone(&call.account)),
        Some(login) if call.account.kind == Kind::Reseller => call.own_client(login).map_err(|_| missing()),
        Some(login) if login == call.account.login => Ok(Arc::clone(&call.account)),
        Some(_) => Err(missing()),
    }
}

/// The account whose messages a request is about; a reseller's key must name a client.
pub(super) fn sender(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    if call.account.kind == Kind::Reseller && client_login.is_none() {
        return Err(ApiError::bad_field("client_login", "a reseller must name its client"));
    }
    named_account(call, client_login)
}

/// As [`sender`], for sending: the account and all accounts above it must be enabled.
pub(super) fn active_sender(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    let account = sender(call, client_login)?;
    if account.may_call() {
        Ok(account)
    } else {
        Err(ApiError::refused("inactive", "the client is disabled").at("client_login"))
    }
}
