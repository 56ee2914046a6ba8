//! `POST ?endpoint=set-agent-markup`: changes the markup of the retail plan, from the next call on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::amount::{Percent, PercentIn};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::catalog::admin::plans;

/// The markup to set.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Markup in percent, at most 1000.
    markup_percent: PercentIn,
}

/// The markup of the retail plan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupSet {
    /// Markup in percent.
    markup_percent: Percent,
    /// Id of the retail plan.
    plan_id: i64,
    /// True where the markup was different before; otherwise nothing was written.
    changed: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The markup of the retail plan.
    markup: AgentMarkupSet,
}

pub(super) struct SetAgentMarkup;

impl Endpoint for SetAgentMarkup {
    const NAME: &'static str = "set-agent-markup";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change the retail plan's markup";
    const CHANGES: Changes = Changes::Prices;
    const IS_COSTLY: bool = true;
    const REFUSALS: &[Refusal] =
        &[(409, "exists"), (422, "no_prices"), (422, "plan_limit"), (422, "too_deep")];
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
