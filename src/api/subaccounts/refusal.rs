//! Refusals of the subaccounts API: status 200 for those of its contract, a status of their own for the rest.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::answer::{self, Done};
use crate::accounts::ops::OpsError;
use crate::accounts::subaccounts::SubaccountError;
use crate::api::error::ApiError;

/// The gateway's code of an invalid key.
const BAD_KEY: &str = "900";

/// A refusal, as it is answered.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 200 `900`: the key is missing or invalid.
    Key,
    /// 200 `{"success":false,"error":…}`.
    Because(String),
    /// A status of its own.
    Status(ApiError),
}

impl Refusal {
    pub(super) fn because(text: &str) -> Self {
        Self::Because(text.to_owned())
    }

    pub(super) fn response(self) -> Response {
        let (status, text, retry_after) = match self {
            Self::Key => return json(StatusCode::OK, BAD_KEY.to_owned()),
            Self::Because(text) => (StatusCode::OK, text, None),
            Self::Status(error) => (error.status, error.message, error.retry_after),
        };
        let mut response = json(status, answer::text(&Done { success: false, error: Some(text) }));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let own_status = matches!(
            error.status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS
        );
        if own_status || error.status.is_server_error() {
            Self::Status(error)
        } else {
            Self::because("Invalid request")
        }
    }
}

impl From<SubaccountError> for Refusal {
    fn from(error: SubaccountError) -> Self {
        match error {
            SubaccountError::Unknown => Self::because("Subaccount not found"),
            SubaccountError::Email => Self::because("Please enter a valid email address for the subaccount."),
            SubaccountError::Name => Self::because("Invalid name"),
            SubaccountError::TooMany => Self::because("Too many subaccounts"),
            SubaccountError::Amount => Self::because("Invalid amount"),
            SubaccountError::NotEnough => Self::because("Not enough credits"),
            SubaccountError::ReferenceTaken => {
                Self::because("This Idempotency-Key came with another request before")
            }
            SubaccountError::TooLarge => Self::because("The subaccount cannot have so many credits"),
            SubaccountError::Ops(OpsError::NoFreeLogin) => Self::Status(ApiError::away()),
            SubaccountError::Ops(error) => ApiError::from(error).into(),
            SubaccountError::Services(error) => ApiError::from(error).into(),
            SubaccountError::Store(error) => ApiError::from(error).into(),
        }
    }
}

/// An answer of a JSON text.
pub(super) fn json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_refused_with_status_200_and_an_outage_with_its_own() {
        assert_eq!(Refusal::from(SubaccountError::NotEnough).response().status(), 200);
        assert_eq!(Refusal::Key.response().status(), 200);
        assert_eq!(Refusal::from(ApiError::bad_request("x")).response().status(), 200);
        let away = Refusal::from(ApiError::away()).response();
        assert_eq!(away.status(), 503);
        assert!(away.headers().contains_key(header::RETRY_AFTER));
    }
}
