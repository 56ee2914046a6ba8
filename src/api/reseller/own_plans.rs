//! The plans of the reseller, as its endpoints need them.

use crate::api::amount::Percent;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::store::PlanVersion;
use tollgate_rating::plan::Markup;

impl Call {
    /// The plan of new clients where the request names none; it is created when first needed.
    pub(super) async fn retail_plan(&self) -> Result<PlanVersion, ApiError> {
        Ok(self.api.calls.catalog.retail_plan(self.account.id, self.services().clock.now()).await?)
    }
}

/// The markup of a plan on the prices of its base.
pub(super) fn markup_of(plan: &PlanVersion) -> Percent {
    let markup = u32::try_from(plan.markup_millionths).ok().and_then(Markup::from_millionths);
    Percent(markup.unwrap_or_default())
}
