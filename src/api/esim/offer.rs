//! Conditions of every sale: eSIMs are enabled, and the exchange rates are known.

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::esim::catalogue::Rates;

/// Refuses the request where eSIMs are disabled.
pub(super) fn check_offered(call: &Call) -> Result<(), ApiError> {
    if call.services().config.esim.is_on() { Ok(()) } else { Err(not_offered()) }
}

/// 422: eSIMs are disabled.
pub(super) fn not_offered() -> ApiError {
    ApiError::refused("not_offered", "eSIMs are not offered here")
}

/// The exchange rates in force.
pub(super) async fn rates(call: &Call) -> Result<Rates, ApiError> {
    Ok(crate::esim::rates(&call.api.esim).await?)
}
