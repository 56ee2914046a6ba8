//! `GET ?endpoint=me`: the account and its state.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

/// The account of the key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientMe {
    /// Id of the account.
    id: i64,
    /// Login.
    username: String,
    /// Balance.
    balance: D4,
    /// 1 where the account is enabled, else 0.
    active: u8,
    /// Id of the plan.
    id_plan: i64,
    /// Name of the plan.
    plan_name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The account of the key.
    data: ClientMe,
}

pub(super) struct Me;

impl Endpoint for Me {
    const NAME: &'static str = "me";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Account status";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let account = &call.account;
        let settings = account.settings();
        let data = ClientMe {
            id: account.id,
            username: account.login.clone(),
            balance: D4(account.wallet.snapshot().balance),
            active: u8::from(settings.active),
            id_plan: settings.plan_id,
            plan_name: call.plan_name(settings.plan_id),
        };
        Ok(Answer { data })
    }
}
