//! The reseller's plans as its endpoints ask for them.

use crate::api::amount::Percent;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::store::PlanVersion;
use tollgate_rating::plan::Markup;

impl Call {
    /// The plan that the reseller's clients get when none is named, made where there is none yet.
    pub(super) async fn retail_plan(&self) -> Result<PlanVersion, ApiError> {
        Ok(self.api.calls.catalog.retail_plan(self.account.id, self.services().clock.now()).await?)
    }
}

/// What a plan adds to the prices below it.
pub(super) fn markup_of(plan: &PlanVersion) -> Percent {
    let markup = u32::try_from(plan.markup_millionths).ok().and_then(Markup::from_millionths);
    Percent(markup.unwrap_or_default())
}
