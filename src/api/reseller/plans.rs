//! `GET ?endpoint=plans`: the plans that the reseller owns.

use serde::Serialize;
use utoipa::ToSchema;

use tollgate_rating::Money;

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};
use crate::store::PlanVersion;

/// A plan of the reseller's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerPlanRow {
    id: i64,
    name: String,
    /// Whether its clients can choose it themselves.
    signup: bool,
    /// Credit of a new client on it.
    initial_credit: Num,
    /// How many plans an agent on it may own.
    tariff_limit: Option<i64>,
    /// How many rates it has.
    agent_rates: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    plans: Vec<ResellerPlanRow>,
    limit: i64,
    offset: i64,
    total: usize,
}

pub(super) struct Plans;

impl Endpoint for Plans {
    const NAME: &'static str = "plans";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "The reseller's plans";
    type Query = Page;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Answer, ApiError> {
        let plans = call.services().store.plans_of_owner(call.account.id).await?;
        let (limit, offset, total) = (page.limit.0, page.offset.0, plans.len());
        let wanted = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
        let page = plans.into_iter().skip(wanted(offset)).take(wanted(limit));
        Ok(Answer { plans: page.map(|plan| row(&call, plan)).collect(), limit, offset, total })
    }
}

fn row(call: &Call, plan: PlanVersion) -> ResellerPlanRow {
    let snapshot = call.api.calls.catalog.snapshot();
    ResellerPlanRow {
        id: plan.plan_id,
        name: plan.name,
        signup: plan.signup,
        initial_credit: Num(Money::from_nanos(plan.initial_credit)),
        tariff_limit: plan.tariff_limit,
        agent_rates: snapshot.plan(plan.plan_id).map_or(0, |plan| plan.priced.rate_count()),
    }
}
