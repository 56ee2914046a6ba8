//! `GET ?endpoint=plans`: the plans that the account may choose, and the one it has.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, ShortPage, cut};
use crate::catalog::Plan;
use crate::directory::Account;
use crate::store::accounts::Kind;

/// A plan that the account may have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientPlan {
    id_plan: i64,
    plan_name: String,
    current: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<ClientPlan>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Plans;

impl Endpoint for Plans {
    const NAME: &'static str = "plans";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Available plans";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Answer, ApiError> {
        let current = call.account.settings().plan_id;
        let mut plans =
            vec![ClientPlan { id_plan: current, plan_name: call.plan_name(current), current: true }];
        let snapshot = call.api.calls.catalog.snapshot();
        let others = snapshot.plans().filter(|plan| plan.id != current && is_offered(plan, &call.account));
        plans.extend(others.map(|plan| ClientPlan {
            id_plan: plan.id,
            plan_name: plan.name.to_string(),
            current: false,
        }));
        plans.sort_by(|one, other| one.plan_name.cmp(&other.plan_name));
        let ShortPage { limit, offset } = page;
        let (data, total) = cut(plans, limit, offset);
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}

/// Whether whoever is above a client offers it this plan. A subaccount has the plan of its client.
pub(super) fn is_offered(plan: &Plan, account: &Account) -> bool {
    let owner_id = account.parent().map(|above| above.id);
    account.kind == Kind::Client && plan.signup && plan.owner_id == owner_id
}
