//! `GET ?endpoint=plans`: the plans that the account is offered, and its present one.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, ShortPage};
use crate::catalog::Plan;
use crate::directory::Account;
use crate::store::accounts::Kind;

/// A plan that the account is offered or has.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientPlan {
    /// Id of the plan.
    id_plan: i64,
    /// Name of the plan.
    plan_name: String,
    /// True for the present plan.
    current: bool,
}

pub(super) struct Plans;

impl List for Plans {
    type Row = ClientPlan;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "Offered plans and the present one, by name.";
}

impl Endpoint for Plans {
    const NAME: &'static str = "plans";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Available plans";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
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
        Ok(Paged::cut(plans, page.into(), |plan| plan))
    }
}

/// True where the account above a client offers it this plan. A subaccount has the plan of its client.
pub(super) fn is_offered(plan: &Plan, account: &Account) -> bool {
    let owner_id = account.parent().map(|above| above.id);
    account.kind == Kind::Client && plan.signup && plan.owner_id == owner_id
}
