//! `GET ?endpoint=plans`: the plans that the reseller owns.

use serde::Serialize;
use utoipa::ToSchema;

use tollgate_rating::Money;

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, Page};
use crate::store::PlanVersion;

/// A plan of the reseller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerPlanRow {
    /// Id of the plan.
    id: i64,
    /// Name of the plan.
    name: String,
    /// True where clients may choose it themselves.
    signup: bool,
    /// Credit of a new client on this plan.
    initial_credit: Num,
    /// Number of plans that an agent on this plan may own; 0 for no limit.
    tariff_limit: i64,
    /// Number of rates of the plan.
    agent_rates: usize,
}

pub(super) struct Plans;

impl List for Plans {
    type Row = ResellerPlanRow;
    const KEY: &'static str = "plans";
    const DESCRIPTION: &'static str = "Plans of the reseller.";
}

impl Endpoint for Plans {
    const NAME: &'static str = "plans";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List the reseller's plans";
    type Query = Page;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let plans = call.services().store.plans_of_owner(call.account.id).await?;
        Ok(Paged::cut(plans, page, |plan| row(&call, plan)))
    }
}

/// 0 stands for no limit: the published answer is always a number.
fn shown_limit(limit: Option<i64>) -> i64 {
    limit.unwrap_or(0)
}

fn row(call: &Call, plan: PlanVersion) -> ResellerPlanRow {
    let snapshot = call.api.calls.catalog.snapshot();
    ResellerPlanRow {
        id: plan.plan_id,
        name: plan.name,
        signup: plan.signup,
        initial_credit: Num(Money::from_nanos(plan.initial_credit)),
        tariff_limit: shown_limit(plan.tariff_limit),
        agent_rates: snapshot.plan(plan.plan_id).map_or(0, |plan| plan.priced.rate_count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tariff_limit_is_always_a_number() {
        assert_eq!((shown_limit(Some(3)), shown_limit(None)), (3, 0));
    }
}
