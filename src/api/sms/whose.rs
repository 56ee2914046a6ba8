//! Whose messages a request is about.

use std::sync::Arc;

use crate::accounts::Kind;
use crate::accounts::directory::Account;
use crate::api::endpoint::Call;
use crate::api::error::ApiError;

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
