//! `GET ?endpoint=agent-markup`: what the reseller's retail plan adds to its wholesale prices.

use serde::Serialize;
use utoipa::ToSchema;

use super::own_plans::markup_of;
use crate::api::amount::Percent;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

/// The retail plan's markup.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupNow {
    markup_percent: Percent,
    plan_id: i64,
    plan_name: String,
    /// How many rates the plan has.
    rates: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    markup: AgentMarkupNow,
}

pub(super) struct AgentMarkup;

impl Endpoint for AgentMarkup {
    const NAME: &'static str = "agent-markup";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "The retail plan and its markup";
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
