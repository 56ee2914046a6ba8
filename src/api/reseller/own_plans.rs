//! The reseller's plans as its endpoints ask for them.

use std::sync::Arc;

use crate::api::amount::Percent;
use crate::api::endpoint::Call;
use crate::api::error::ApiError;
use crate::api::query::{Limit, Offset};
use crate::catalog::Plan;
use crate::catalog::price_list::{self, PrefixPage};
use crate::store::PlanVersion;
use jiff::Timestamp;
use tollgate_rating::PricedTariff;
use tollgate_rating::plan::Markup;

/// The longest text that a price list is searched for.
const MAX_WANTED_CHARS: usize = 64;

impl Call {
    /// The plan that the reseller's clients get when none is named, made where there is none yet.
    pub(super) async fn retail_plan(&self) -> Result<PlanVersion, ApiError> {
        Ok(self.api.calls.catalog.retail_plan(self.account.id, self.desk().clock.now()).await?)
    }

    /// A plan with its prices.
    pub(super) fn priced_plan(&self, plan_id: i64) -> Result<Arc<Plan>, ApiError> {
        let plan = self.api.calls.catalog.snapshot().plan(plan_id).cloned();
        plan.ok_or_else(|| ApiError::refused("no_prices", "the plan has no prices at the moment"))
    }
}

/// What a plan adds to the prices below it.
pub(super) fn markup_of(plan: &PlanVersion) -> Percent {
    let markup = u32::try_from(plan.markup_millionths).ok().and_then(Markup::from_millionths);
    Percent(markup.unwrap_or_default())
}

/// A page of the prefixes that a plan sells now and that match `q`.
pub(super) async fn search(
    priced: PricedTariff,
    q: Option<String>,
    (limit, offset): (Limit, Offset),
    at: Timestamp,
) -> Result<PrefixPage, ApiError> {
    let wanted = q.unwrap_or_default();
    if wanted.chars().count() > MAX_WANTED_CHARS || wanted.chars().any(char::is_control) {
        return Err(ApiError::bad_field("q", format!("at most {MAX_WANTED_CHARS} printable characters")));
    }
    let limit = usize::try_from(limit.0).unwrap_or(0);
    let offset = usize::try_from(offset.0).unwrap_or(usize::MAX);
    let found =
        tokio::task::spawn_blocking(move || price_list::find(&priced, &wanted, offset, limit, at)).await;
    found.map_err(|error| ApiError::fault(&error))
}
