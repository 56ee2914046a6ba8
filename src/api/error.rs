//! Refusals and faults as they are answered: HTTP status, text for people, machine code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::hashing::HashError;
use crate::accounts::money::MoveError;
use crate::accounts::ops::OpsError;
use crate::catalog::CatalogError;
use crate::catalog::admin::AdminError;
use crate::ledger::LedgerError;
use crate::peers::ops::PeerError;
use crate::services::ServiceError;
use crate::store::StoreError;

/// `Retry-After` of 503, in seconds.
const AWAY_RETRY_S: u32 = 5;
/// Characters of a name that is repeated in an error.
const MAX_NAME_CHARS: usize = 64;

/// A refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The machine code.
    pub code: &'static str,
    /// Text for people, without internal details.
    pub message: String,
    /// The field or parameter at fault.
    pub field: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl ApiError {
    /// A refusal without a field.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, retry_after: None }
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// 400: a field is malformed or out of range. The text begins with the field's name.
    pub fn bad_field(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", format!("{field}: {reason}")).at(field)
    }

    /// 400: a parameter in the URL or a field in the body that the endpoint does not have.
    pub fn unknown(code: &'static str, name: &str) -> Self {
        let name = printable(name);
        let reason = match code {
            "unknown_parameter" => "this endpoint has no such parameter",
            _ => "this endpoint has no such field",
        };
        Self { code, ..Self::bad_field(&name, reason) }
    }

    /// 400: the request as a whole is malformed.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 404: unknown, or of another account.
    pub fn missing(field: &str, what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found")).at(field)
    }

    /// 409: conflicts with the present state.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 422: refused by a rule.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 402: not enough credit.
    pub fn no_credit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "no_credit", message)
    }

    /// 503: a required part is not available.
    pub fn away() -> Self {
        let message = "the service is not available at the moment";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        error.retry_after = Some(AWAY_RETRY_S);
        error
    }

    /// 500: an internal error; its text goes to the log.
    pub fn fault(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed: internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed; nothing is known to be wrong with it",
        )
    }

    /// The answer, `flag` being `success` or `ok`.
    pub fn response(&self, flag: &'static str, request_id: &str) -> Response {
        let body = ErrorBody {
            flag: false,
            error: &self.message,
            code: self.code,
            field: self.field.as_deref(),
            request_id,
        };
        let text = serde_json::to_string(&body).unwrap_or_else(|_| "{}".to_owned());
        let text = text.replacen("\"flag\"", &format!("\"{flag}\""), 1);
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A name that the client chose, short enough to be repeated to it.
pub(super) fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect()
}

/// The body of a refusal; `flag` is replaced by the API's own `success` or `ok`.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    flag: bool,
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    request_id: &'a str,
}

/// A refusal, for the OpenAPI document. The API's `success` or `ok` is beside it, false.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiErrorBody {
    /// Text for people.
    pub error: String,
    /// Machine code.
    pub code: String,
    /// Field or parameter at fault; absent where there is none.
    pub field: Option<String>,
    /// Id of the request in the log.
    pub request_id: String,
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::StaleEpoch { .. } => Self::away(),
            error if error.is_unavailable() => {
                tracing::warn!(%error, "request answered 503");
                Self::away()
            }
            error => Self::fault(&error),
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Store(error) => error.into(),
            ServiceError::Owner(_) | ServiceError::Owned { .. } => {
                tracing::warn!(%error, "request answered 503");
                Self::away()
            }
            error => Self::fault(&error),
        }
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after_s } => {
                let message = "too many passwords wait to be checked; ask again later";
                let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
                error.retry_after = Some(retry_after_s);
                error
            }
            // The client has disconnected.
            HashError::Abandoned | HashError::Unavailable => Self::away(),
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unavailable(_) | LedgerError::Stopped => {
                tracing::warn!(%error, "request answered 503");
                Self::away()
            }
            error => Self::fault(&error),
        }
    }
}

impl From<OpsError> for ApiError {
    fn from(error: OpsError) -> Self {
        let text = error.to_string();
        match error {
            OpsError::UnknownAccount(_) | OpsError::NotAReseller(_) => Self::missing("login", "login"),
            OpsError::UnknownPlan(_) => Self::missing("plan_id", "plan"),
            OpsError::TooDeep(_) => Self::refused("too_deep", text),
            OpsError::NameTaken(_) => Self::conflict("login_taken", "login: it is not available").at("login"),
            OpsError::BadLogin { source, .. } => Self::bad_field("login", source),
            OpsError::NoFreeLogin => Self::away(),
            OpsError::Hash(error) => error.into(),
            OpsError::TooManyClients { .. } => Self::conflict("too_many_clients", text),
            OpsError::BadValue { field, reason } => Self::bad_field(field, reason),
            OpsError::NotEnough { .. } => Self::no_credit("there is not enough credit"),
            OpsError::KeyTaken(_) => Self::conflict("key_taken", text),
            OpsError::Post(error) => error.into(),
            OpsError::Wallet(error) => Self::refused("too_large", error.to_string()),
            OpsError::Store(error) => error.into(),
            OpsError::Services(error) => error.into(),
        }
    }
}

impl From<PeerError> for ApiError {
    fn from(error: PeerError) -> Self {
        let text = error.to_string();
        match error {
            PeerError::UnknownAccount(_) | PeerError::NoPhones(_) => Self::missing("login", "login"),
            PeerError::UnknownSipAccount(_) => Self::missing("name", "SIP account"),
            PeerError::UnknownAddress { .. } => Self::missing("id", "IP authorization"),
            PeerError::TooMany { .. } => Self::conflict("limit_reached", text),
            PeerError::TooManyAddresses(_) => Self::conflict("limit_reached", text).at("ip"),
            // The number of other accounts' addresses stays hidden.
            PeerError::AddressLimit { .. } => {
                let message = "ip: no more IP authorizations are given; ask the operator";
                Self::conflict("limit_reached", message).at("ip")
            }
            PeerError::Approved(_) => Self::conflict("approved", "it is approved already").at("id"),
            PeerError::NoFreeName(_) => Self::away(),
            PeerError::Main(_) => Self::refused("main_sip_account", text).at("name"),
            PeerError::Password(error) => Self::bad_field("password", error),
            PeerError::Address(error) => Self::bad_field("ip", error),
            // The operator's own addresses stay hidden.
            PeerError::OwnAddress { .. } | PeerError::AddressTaken(_) => {
                let message = "ip: it is in use; if it is yours, ask the operator to give it to you";
                Self::conflict("ip_in_use", message).at("ip")
            }
            PeerError::Secrets(error) => Self::fault(&error),
            PeerError::Store(error) => error.into(),
        }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let text = error.to_string();
        match error {
            AdminError::Unknown { what, .. } => Self::missing("plan_id", what),
            AdminError::Exists { .. } => Self::conflict("exists", text),
            AdminError::Invalid { field, reason } => Self::bad_field(field, reason),
            AdminError::TooDeep { .. } => Self::refused("too_deep", text),
            AdminError::TooManyPrices { .. } => Self::conflict("limit_reached", text),
            AdminError::PlanLimit { limit, .. } => {
                Self::refused("plan_limit", format!("the account may own {limit} plans, and owns as many"))
            }
            AdminError::Store(error) => error.into(),
            error => Self::fault(&error),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Unusable(_) => Self::refused("no_prices", "the plan has no prices at the moment"),
            CatalogError::Admin(error) => error.into(),
            CatalogError::Store(error) => error.into(),
            error => Self::fault(&error),
        }
    }
}

/// For movements whose refusals their endpoint names itself.
impl From<MoveError<Self>> for ApiError {
    fn from(error: MoveError<Self>) -> Self {
        match error {
            MoveError::NotEnough { .. } => Self::no_credit("there is not enough credit"),
            MoveError::TooLarge => {
                Self::refused("too_large", "the balance would be more than an account holds")
            }
            MoveError::ReferenceTaken(_) => {
                Self::conflict("reference_taken", "this id was used with another body before")
            }
            MoveError::Refused(error) => error,
            MoveError::Services(error) => error.into(),
        }
    }
}
