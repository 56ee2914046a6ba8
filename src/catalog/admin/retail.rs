//! A reseller's own retail plan: what its clients pay by when no plan is named.

use jiff::Timestamp;
use tollgate_rating::plan::Markup;

use super::plans::{self, Basis, PlanSpec};
use super::{AdminError, FEED_PLAN, unknown};
use crate::store::{PlanVersion, Store, Tx};

/// The prices of a new retail plan relative to the reseller's wholesale prices.
const FIRST_MARKUP_MILLIONTHS: u32 = 200_000;

/// The retail plan of a reseller, and whether it is made or found only now.
///
/// Where none is recorded, the oldest of the reseller's own plans that derives from the plan it is on itself is the one;
/// where there is none such, one is derived. It is recorded for good: of many that ask at once all get the same.
pub async fn of_reseller(
    store: &Store,
    reseller_id: i64,
    now: Timestamp,
) -> Result<(PlanVersion, bool), AdminError> {
    if let Some(plan) = store.retail_plan_of(reseller_id).await? {
        return Ok((plan, false));
    }
    let mut tx = store.begin().await?;
    // Under the lock of the catalog, so that a plan that was made meanwhile is seen.
    let plan_id = tx.catalog_ids(2).await?;
    if let Some(plan) = tx.retail_plan_of(reseller_id).await? {
        return Ok((plan, false));
    }
    let plan = chosen(&mut tx, reseller_id, plan_id, now).await?;
    tx.insert_retail_plan(reseller_id, plan.plan_id).await?;
    tx.append_feed(FEED_PLAN, plan.plan_id, now).await?;
    tx.commit().await?;
    Ok((plan, true))
}

async fn chosen(
    tx: &mut Tx,
    reseller_id: i64,
    new_id: i64,
    now: Timestamp,
) -> Result<PlanVersion, AdminError> {
    let reseller = tx.account_by_id(reseller_id).await?;
    let reseller = reseller.ok_or_else(|| unknown("reseller", &reseller_id.to_string()))?;
    let plans = tx.current_plans().await?;
    let mut existing: Vec<&PlanVersion> = plans
        .iter()
        .filter(|plan| plan.owner_id == Some(reseller_id) && plan.base_plan_id == Some(reseller.plan_id))
        .collect();
    existing.sort_by_key(|plan| plan.plan_id);
    for oldest in existing {
        // A plan that a reseller below is on is its wholesale plan, not a plan for clients.
        if tx.resellers_on_plan(oldest.plan_id).await? == 0 {
            return Ok(oldest.clone());
        }
    }
    let wholesale = plans.iter().find(|plan| plan.plan_id == reseller.plan_id);
    let wholesale = wholesale.ok_or_else(|| unknown("plan", &reseller.plan_id.to_string()))?;
    let markup = Markup::from_millionths(FIRST_MARKUP_MILLIONTHS).unwrap_or_default();
    let spec = PlanSpec {
        signup: true,
        owner_id: Some(reseller_id),
        ..PlanSpec::new(&free_name(&plans, reseller_id), Basis::Plan { name: wholesale.name.clone(), markup })
    };
    plans::insert(tx, &plans, new_id, &spec, now).await
}

/// `RETAIL-ID`, with a number if the name exists. End customers see it: it does not contain the name of the reseller.
fn free_name(plans: &[PlanVersion], reseller_id: i64) -> String {
    let is_free = |name: &String| plans.iter().all(|plan| plan.name != *name);
    let plain = format!("RETAIL-{reseller_id}");
    let numbered = (2..).map(|number: u64| format!("RETAIL-{reseller_id}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or(plain)
}
