//! `POST ?endpoint=buy`: an eSIM is ordered, its price held. It is charged when the eSIM is there, which takes some seconds:
//! `orders` and `sync-order` show it then.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::offer::not_offered;
use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::esim::orders::{self, BuyError};
use crate::store::accounts::Kind;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    package_code: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    order: EsimOrderRow,
}

pub(super) struct Buy;

impl Endpoint for Buy {
    const NAME: &'static str = "buy";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Buy an eSIM";
    const IDEMPOTENT: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let shown = |order| Answer { order: EsimOrderRow::new(&call.api, order) };
        let bought = orders::buy(call.services(), &call.account, &request.package_code, |order| {
            call.remember_answer(&shown(order.clone())).map_err(Refused::Api)
        });
        match bought.await {
            Ok(order) => Ok(shown(order)),
            Err(Refused::Api(error)) => Err(error),
            Err(Refused::Buy(error)) => Err(refusal(error, call.account.kind)),
        }
    }
}

/// Why there is no order.
enum Refused {
    Buy(BuyError),
    Api(ApiError),
}

impl From<BuyError> for Refused {
    fn from(error: BuyError) -> Self {
        Self::Buy(error)
    }
}

/// What is between a client and whoever is above it is not told.
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
