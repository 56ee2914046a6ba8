//! `POST ?endpoint=set-agent-rate`: a price of the retail plan's own for a prefix, or again the one by its markup.

use serde::{Deserialize, Serialize};
use tollgate_rating::Prefix;
use utoipa::ToSchema;

use crate::api::amount::{Amount, Num};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::catalog::admin::{AdminError, plans};
use crate::catalog::price_list::sold;

/// A prefix and its price.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Digits that numbers begin with.
    #[schema(min_length = 1, max_length = 15)]
    prefix: String,
    /// The price of a minute; null takes the plan's own price away. It is never left out: a forgotten price is none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    price_per_minute: Option<Amount>,
}

/// What clients on the retail plan pay now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentRate {
    prefix: String,
    destination: String,
    /// Null where nothing is sold there any more.
    price_per_minute: Option<Num>,
    /// Whether it is a price of the plan's own.
    overridden: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    rate: AgentRate,
}

/// What is refused.
enum Refused {
    /// It is no prefix.
    NotAPrefix(String),
    /// The deck has no rate that would be changed by it.
    NothingSold,
    /// The plan has no price of its own to take away, or cannot have this one.
    Plan(AdminError),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAPrefix(reason) => Self::bad_field("prefix", reason),
            Refused::NothingSold => {
                Self::refused("no_rate", "the plan sells no numbers with this prefix").at("prefix")
            }
            Refused::Plan(AdminError::Unknown { .. }) => {
                Self::missing("prefix", "price of your own for this prefix")
            }
            Refused::Plan(AdminError::Invalid { reason, .. }) => Self::bad_field("price_per_minute", reason),
            Refused::Plan(error) => error.into(),
        }
    }
}

pub(super) struct SetAgentRate;

impl Endpoint for SetAgentRate {
    const NAME: &'static str = "set-agent-rate";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Set a retail price for a prefix";
    const CHANGES: Changes = Changes::Prices;
    const IS_COSTLY: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let prefix: Prefix =
            request.prefix.parse().map_err(|error| Refused::NotAPrefix(format!("{error}")))?;
        let plan = call.retail_plan().await?;
        let (services, now) = (call.services(), call.services().clock.now());
        let price = request.price_per_minute.map(|amount| amount.0);
        if price.is_some() && sold(&call.priced_plan(plan.plan_id)?.priced, prefix, now).is_none() {
            return Err(Refused::NothingSold.into());
        }
        plans::set_override(&services.store, &plan.name, prefix, price, now).await.map_err(Refused::Plan)?;
        call.api.calls.catalog.refresh().await?;
        let charged = sold(&call.priced_plan(plan.plan_id)?.priced, prefix, now);
        let rate = AgentRate {
            prefix: prefix.to_string(),
            price_per_minute: charged.as_ref().map(|sold| Num(sold.price_per_minute)),
            destination: charged.map(|sold| sold.destination).unwrap_or_default(),
            overridden: price.is_some(),
        };
        Ok(Answer { rate })
    }
}
