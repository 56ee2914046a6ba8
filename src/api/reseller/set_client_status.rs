//! `POST ?endpoint=set-client-status`: switches a client on or off, its live calls and its phones with it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::ops::{self, AccountChange};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::directory::Account;

/// Which client, and what it becomes.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// The client's login.
    login: String,
    /// Whether it may call.
    active: bool,
}

/// A client after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedClient {
    login: String,
    active: bool,
    plan_id: i64,
    plan_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
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
