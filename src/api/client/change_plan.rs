//! `POST ?endpoint=change-plan`: changes the plan of the account to one that it is offered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plans::is_offered;
use crate::accounts::ops::{self, OpsError};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// The plan to change to.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Id of an offered plan.
    id_plan: i64,
}

/// The plan of the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedPlan {
    /// Id of the plan.
    id_plan: i64,
    /// Name of the plan.
    plan_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The plan of the account.
    data: ChangedPlan,
}

pub(super) struct ChangePlan;

impl Endpoint for ChangePlan {
    const NAME: &'static str = "change-plan";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change plan";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id_plan }: Request) -> Result<Answer, ApiError> {
        let missing = || ApiError::missing("id_plan", "plan");
        let snapshot = call.api.calls.catalog.snapshot();
        let offered = snapshot.plan(id_plan).is_some_and(|plan| is_offered(plan, &call.account));
        if call.account.settings().plan_id != id_plan {
            if !offered {
                return Err(missing());
            }
            let changed = ops::change_plan(call.services(), call.account.id, id_plan).await;
            changed.map_err(|error| match error {
                OpsError::UnknownPlan(_) => missing(),
                error => error.into(),
            })?;
        }
        let data = ChangedPlan { id_plan, plan_name: call.plan_name(id_plan) };
        Ok(Answer { message: "Plan changed", data })
    }
}
