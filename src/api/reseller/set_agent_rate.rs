//! `POST ?endpoint=set-agent-rate`: sets a price of the retail plan for a prefix, or removes it, so that the markup applies again.

use serde::{Deserialize, Serialize};
use tollgate_rating::Prefix;
use utoipa::ToSchema;

use crate::api::amount::{Amount, Num};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::catalog::admin::{AdminError, plans};
use crate::catalog::price_list::sold;

/// A prefix and its price.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// First digits of the numbers, without `+`.
    #[schema(min_length = 1, max_length = 15)]
    prefix: String,
    /// Price per minute; null removes the price of the plan's own. The field is required, so that a forgotten price
    /// removes nothing.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    price_per_minute: Option<Amount>,
}

/// The rate of clients on the retail plan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentRate {
    /// Prefix, without `+`.
    prefix: String,
    /// Destination; empty where it is not sold.
    destination: String,
    /// Price per minute; null where it is not sold.
    price_per_minute: Option<Num>,
    /// True for a price of the plan's own.
    overridden: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The rate.
    rate: AgentRate,
}

/// A refusal.
enum Refused {
    /// The text is not a prefix.
    NotAPrefix(String),
    /// The plan has no rate for the prefix.
    NothingSold,
    /// The plan has no price of its own to remove, or cannot have this one.
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
    const REFUSALS: &[Refusal] = &[
        (404, "not_found"),
        (409, "exists"),
        (409, "limit_reached"),
        (422, "no_prices"),
        (422, "no_rate"),
        (422, "plan_limit"),
        (422, "too_deep"),
    ];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_must_be_sent_and_null_removes_it() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert!(read(r#"{"prefix":"49","price_per_minute":null}"#).unwrap().price_per_minute.is_none());
        assert!(read(r#"{"prefix":"49","price_per_minute":"0.02"}"#).unwrap().price_per_minute.is_some());
        assert!(read(r#"{"prefix":"49"}"#).is_err());
    }

    #[test]
    fn refusals_name_the_prefix_or_the_price() {
        let refused = |refused| {
            let error = ApiError::from(refused);
            (error.status.as_u16(), error.field)
        };
        assert_eq!(refused(Refused::NothingSold), (422, Some("prefix".to_owned())));
        assert_eq!(refused(Refused::NotAPrefix("x".to_owned())), (400, Some("prefix".to_owned())));
        let invalid = AdminError::Invalid { field: "price", reason: "too dear".to_owned() };
        assert_eq!(refused(Refused::Plan(invalid)), (400, Some("price_per_minute".to_owned())));
    }
}
