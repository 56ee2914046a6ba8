//! `POST ?endpoint=buy`: orders an eSIM and holds its price. The price is charged when the eSIM is allocated, some seconds later;
//! `orders` and `sync-order` then show it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offer::not_offered;
use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::esim::orders::{self, BuyError};
use crate::store::accounts::Kind;

/// The package to buy.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Code of the package.
    package_code: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The order.
    order: EsimOrderRow,
}

pub(super) struct Buy;

impl Endpoint for Buy {
    const NAME: &'static str = "buy";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Buy an eSIM";
    const IDEMPOTENT: bool = true;
    const REFUSALS: &[Refusal] = &[
        (402, "no_credit"),
        (402, "no_wholesale_credit"),
        (404, "not_found"),
        (422, "daily_limit"),
        (422, "not_offered"),
        (422, "unavailable"),
    ];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let shown = |order| Answer { order: EsimOrderRow::new(&call.api, order) };
        let bought = orders::buy(&call.api.esim, &call.account, &request.package_code, |order| {
            call.remember_answer(&shown(order.clone())).map_err(Refused::Api)
        });
        match bought.await {
            Ok(order) => Ok(shown(order)),
            Err(Refused::Api(error)) => Err(error),
            Err(Refused::Buy(error)) => Err(refusal(error, call.account.kind)),
        }
    }
}

/// A refusal.
enum Refused {
    Buy(BuyError),
    Api(ApiError),
}

impl From<BuyError> for Refused {
    fn from(error: BuyError) -> Self {
        Self::Buy(error)
    }
}

/// Hides the relation between a client and the accounts above it.
fn refusal(error: BuyError, kind: Kind) -> ApiError {
    let text = error.to_string();
    let unavailable = "the package cannot be bought at the moment";
    match error {
        BuyError::Off => not_offered(),
        BuyError::UnknownPackage => ApiError::missing("package_code", "package"),
        BuyError::NoCredit if kind == Kind::Reseller => {
            ApiError { code: "no_wholesale_credit", ..ApiError::no_credit(text) }
        }
        BuyError::NoCredit => ApiError::no_credit(text),
        BuyError::DailyLimit => ApiError::refused("daily_limit", text),
        BuyError::Unsold(reason) => {
            tracing::info!(%reason, "a package that is not sold was asked for");
            ApiError::refused("unavailable", unavailable)
        }
        BuyError::Above => ApiError::refused("unavailable", unavailable),
        BuyError::Services(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reseller_learns_that_wholesale_credit_is_short() {
        let code = |error, kind| refusal(error, kind).code;
        assert_eq!(code(BuyError::NoCredit, Kind::Reseller), "no_wholesale_credit");
        assert_eq!(code(BuyError::NoCredit, Kind::Client), "no_credit");
        assert_eq!(code(BuyError::Above, Kind::Client), "unavailable");
        assert_eq!(refusal(BuyError::UnknownPackage, Kind::Client).status, 404);
        assert_eq!(code(BuyError::Off, Kind::Client), "not_offered");
    }
}
