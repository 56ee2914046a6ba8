//! `POST ?endpoint=set-client-status`: enables or disables a client; disabling ends its calls and its registrations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::ops::{self, AccountChange};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::directory::Account;

/// A client and its new status.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// True to enable, false to disable.
    active: bool,
}

/// A client after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedClient {
    /// Login of the client.
    login: String,
    /// True where the client is enabled.
    active: bool,
    /// Id of its plan.
    plan_id: i64,
    /// Name of its plan.
    plan_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The client after the change.
    client: ChangedClient,
}

impl ChangedClient {
    /// As it is now.
    pub(super) fn of(call: &Call, account: &Account) -> Self {
        let settings = account.settings();
        Self {
            login: account.login.clone(),
            active: settings.active,
            plan_id: settings.plan_id,
            plan_name: call.plan_name(settings.plan_id),
        }
    }
}

pub(super) struct SetClientStatus;

impl Endpoint for SetClientStatus {
    const NAME: &'static str = "set-client-status";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Activate or deactivate a client";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let client = call.own_client(&request.login)?;
        let change = AccountChange { active: Some(request.active), ..AccountChange::default() };
        ops::set(call.services(), &client.login, change).await?;
        Ok(Answer { client: ChangedClient::of(&call, &client) })
    }
}
