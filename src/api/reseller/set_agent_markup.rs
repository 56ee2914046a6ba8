//! `POST ?endpoint=set-agent-markup`: changes what the reseller's retail plan adds, from the next call on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::amount::{Percent, PercentIn};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::catalog::admin::plans;

/// What is to be added.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// At most 1000.
    markup_percent: PercentIn,
}

/// The retail plan's markup after it was set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupSet {
    markup_percent: Percent,
    plan_id: i64,
    /// Whether it was another one before; nothing was written where it was not.
    changed: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    markup: AgentMarkupSet,
}

pub(super) struct SetAgentMarkup;

impl Endpoint for SetAgentMarkup {
    const NAME: &'static str = "set-agent-markup";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change the retail plan's markup";
    const CHANGES: Changes = Changes::Prices;
    const IS_COSTLY: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let plan = call.retail_plan().await?;
        let (services, markup) = (call.services(), request.markup_percent.0);
        let set = plans::set_markup(&services.store, &plan.name, markup, services.clock.now()).await?;
        if set.changed {
            call.api.calls.catalog.refresh().await?;
        }
        let markup =
            AgentMarkupSet { markup_percent: Percent(markup), plan_id: plan.plan_id, changed: set.changed };
        Ok(Answer { markup })
    }
}
