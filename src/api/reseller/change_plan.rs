//! `POST ?endpoint=change-plan`: changes the plan of a client and of its subaccounts to one of the reseller's plans.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::set_client_status::ChangedClient;
use crate::accounts::ops;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// A client and its new plan, in force from its next call on.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// Id of one of the reseller's plans.
    plan_id: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The client after the change.
    client: ChangedClient,
}

pub(super) struct ChangePlan;

impl Endpoint for ChangePlan {
    const NAME: &'static str = "change-plan";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change a client's plan";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "too_deep")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let client = call.own_client(&request.login)?;
        ops::change_plan(call.services(), client.id, request.plan_id).await?;
        Ok(Answer { client: ChangedClient::of(&call, &client) })
    }
}
