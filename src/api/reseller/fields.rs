//! What several endpoints of money and of the portal read and write alike.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::portal::PortalError;
use crate::accounts::retail_credit::{self, MAX_EXTERNAL_ID_CHARS};
use crate::api::error::ApiError;
use crate::directory::login::MAX_LOGIN_CHARS;

/// Which client.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfClient {
    /// The client's login.
    pub(super) login: String,
}

/// Which client.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ClientNamed {
    /// The client's login.
    pub(super) login: String,
}

/// A SIP account with its new password.
#[derive(Serialize, ToSchema)]
pub(super) struct SipWithPassword {
    pub(super) login: String,
    pub(super) password: String,
}

/// A time as answers show it: UTC, to the second.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// Refuses what can be nobody's login as the login of somebody who is not there.
pub(super) fn check_login(login: &str) -> Result<(), ApiError> {
    if is_login(login) { Ok(()) } else { Err(ApiError::missing("login", "client")) }
}

/// Whether a text is short and plain enough to be kept as a login that somebody wrote.
pub(super) fn is_login(login: &str) -> bool {
    login.chars().count() <= MAX_LOGIN_CHARS && !login.chars().any(char::is_control)
}

/// Checks the name that a reseller gives a movement of money.
pub(super) fn check_external_id(external_id: &str) -> Result<(), ApiError> {
    if retail_credit::is_external_id(external_id) {
        return Ok(());
    }
    let reason = format!("it must be 1 to {MAX_EXTERNAL_ID_CHARS} printable characters");
    Err(ApiError::bad_field("external_id", reason))
}

/// 422: the balance would be more than a wallet holds.
pub(super) fn too_large() -> ApiError {
    ApiError::refused("too_large", "the balance would be more than an account holds")
}

impl From<PortalError> for ApiError {
    fn from(error: PortalError) -> Self {
        match error {
            PortalError::BadValue { field, reason } => Self::bad_field(field, reason),
            PortalError::Hash(error) => error.into(),
            PortalError::Services(error) => error.into(),
        }
    }
}

/// 401 for whatever is wrong with a login and its password.
pub(super) fn invalid_credentials() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "login or password is wrong")
}
