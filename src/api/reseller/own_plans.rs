//! The reseller's plans as its endpoints ask for them.

use std::sync::Arc;

use crate::api::amount::Percent;
use crate::api::endpoint::Call;
use crate::api::error::ApiError;
use crate::catalog::Plan;
use crate::store::PlanVersion;
use tollgate_rating::plan::Markup;

impl Call {
    /// The plan that the reseller's clients get when none is named, made where there is none yet.
    pub(super) async fn retail_plan(&self) -> Result<PlanVersion, ApiError> {
        Ok(self.api.calls.catalog.retail_plan(self.account.id, self.services().clock.now()).await?)
    }

    /// A plan with its prices.
    pub(in crate::api) fn priced_plan(&self, plan_id: i64) -> Result<Arc<Plan>, ApiError> {
        let plan = self.api.calls.catalog.snapshot().plan(plan_id).cloned();
        plan.ok_or_else(|| ApiError::refused("no_prices", "the plan has no prices at the moment"))
    }
}

/// What a plan adds to the prices below it.
pub(super) fn markup_of(plan: &PlanVersion) -> Percent {
    let markup = u32::try_from(plan.markup_millionths).ok().and_then(Markup::from_millionths);
    Percent(markup.unwrap_or_default())
}
