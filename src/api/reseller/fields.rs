//! Queries, bodies and checks that several endpoints share.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::portal::PortalError;
use crate::accounts::retail_credit::{self, MAX_EXTERNAL_ID_CHARS};
use crate::api::error::ApiError;
use crate::api::query::{Limit, Offset, Page};
use crate::directory::login::MAX_LOGIN_CHARS;

/// A client, by its login.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfClient {
    /// Login of the client.
    pub(super) login: String,
}

/// A page of a list of a client.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ClientPage {
    /// Login of the client.
    pub(super) login: String,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

impl ClientPage {
    pub(super) const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
}

/// A page of a list of a client that is short by nature: without parameters, all rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShortClientPage {
    /// Login of the client.
    pub(super) login: String,
    /// Maximum number of rows, at most 200.
    #[serde(default = "Limit::most")]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

impl ShortClientPage {
    pub(super) const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
}

/// A page of a price list, searched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RatePage {
    /// First digits of a prefix, or a part of a destination's name.
    #[param(max_length = 64)]
    pub(super) q: Option<String>,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

impl RatePage {
    pub(super) const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
}

/// A client, by its login.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ClientNamed {
    /// Login of the client.
    pub(super) login: String,
}

/// A SIP account with its new password.
#[derive(Serialize, ToSchema)]
pub(super) struct SipWithPassword {
    /// SIP login.
    pub(super) login: String,
    /// New SIP password.
    pub(super) password: String,
}

/// Refuses an impossible login in the way of an unknown one.
pub(super) fn check_login(login: &str) -> Result<(), ApiError> {
    if is_login(login) { Ok(()) } else { Err(ApiError::missing("login", "client")) }
}

/// True where a text is short and printable: it may be stored as the login of a refused request.
pub(super) fn is_login(login: &str) -> bool {
    login.chars().count() <= MAX_LOGIN_CHARS && !login.chars().any(char::is_control)
}

/// Checks the id that a reseller gives a movement of money.
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

/// 401: one answer for every fault of a login and its password.
pub(super) fn invalid_credentials() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "login or password is wrong")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_login_is_refused_like_an_unknown_one() {
        assert!(check_login("1234567892").is_ok());
        for bad in ["a\u{0}", &"1".repeat(MAX_LOGIN_CHARS + 1)] {
            let error = check_login(bad).unwrap_err();
            assert_eq!((error.status.as_u16(), error.code), (404, "not_found"), "{bad:?}");
        }
    }

    #[test]
    fn an_external_id_is_short_printable_text() {
        assert!(check_external_id("ORDER-DEMO-10001").is_ok());
        for bad in ["", "a\nb", &"x".repeat(MAX_EXTERNAL_ID_CHARS + 1)] {
            assert_eq!(check_external_id(bad).unwrap_err().field.as_deref(), Some("external_id"), "{bad:?}");
        }
    }
}
