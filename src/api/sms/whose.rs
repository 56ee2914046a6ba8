//! Whose messages a request is about.

use std::sync::Arc;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::directory::Account;
use crate::store::accounts::Kind;

/// The account that a request means: of a reseller's key the client that `client_login` names, or the reseller itself where
/// it names nobody; of any other key its own account, which `client_login` may name and nobody else's. Whoever is not meant
/// to be found is missing, as one that does not exist is.
pub(super) fn whose(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    let missing = || ApiError::missing("client_login", "client");
    match client_login {
        None => Ok(Arc::clone(&call.account)),
        Some(login) if call.account.kind == Kind::Reseller => call.own_client(login).map_err(|_| missing()),
        Some(login) if login == call.account.login => Ok(Arc::clone(&call.account)),
        Some(_) => Err(missing()),
    }
}

/// The account that messages are of: of a reseller's key the client that `client_login` must name, of any other key its own.
pub(super) fn sender(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    if call.account.kind == Kind::Reseller && client_login.is_none() {
        return Err(ApiError::bad_field("client_login", "a reseller must name its client"));
    }
    whose(call, client_login)
}

/// As [`sender`], of an account that may send: it and everybody above it is switched on.
pub(super) fn active_sender(call: &Call, client_login: Option<&str>) -> Result<Arc<Account>, ApiError> {
    let account = sender(call, client_login)?;
    if account.may_call() {
        Ok(account)
    } else {
        Err(ApiError::refused("inactive", "the client is switched off").at("client_login"))
    }
}
