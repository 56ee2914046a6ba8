//! `GET ?endpoint=agent-markup`: the retail plan of the reseller and its markup on the wholesale prices.

use serde::Serialize;
use utoipa::ToSchema;

use super::own_plans::markup_of;
use crate::api::amount::Percent;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};
use crate::api::refusals::Refusal;

/// The retail plan and its markup.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupNow {
    /// Markup on the wholesale prices.
    markup_percent: Percent,
    /// Id of the retail plan.
    plan_id: i64,
    /// Name of the retail plan.
    plan_name: String,
    /// Number of rates of the plan.
    rates: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The retail plan and its markup.
    markup: AgentMarkupNow,
}

pub(super) struct AgentMarkup;

impl Endpoint for AgentMarkup {
    const NAME: &'static str = "agent-markup";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Show the retail plan and its markup";
    const REFUSALS: &[Refusal] = &[(409, "exists"), (422, "plan_limit"), (422, "too_deep")];
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let plan = call.retail_plan().await?;
        let priced = call.api.calls.catalog.snapshot().plan(plan.plan_id).cloned();
        let markup = AgentMarkupNow {
            markup_percent: markup_of(&plan),
            plan_id: plan.plan_id,
            rates: priced.map_or(0, |plan| plan.priced.rate_count()),
            plan_name: plan.name,
        };
        Ok(Answer { markup })
    }
}
