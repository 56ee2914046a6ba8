//! Resellers' retail plans: the plan itself, and what it would be with another markup.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::PricedTariff;
use tollgate_rating::plan::{Derivation, Markup};

use super::{Catalog, CatalogError};
use crate::catalog::admin;
use crate::catalog::snapshot::Plan;
use crate::catalog::unusable::Unusable;
use crate::store::PlanVersion;

impl Catalog {
    /// The prices that a plan would have with another markup of its own. Nothing is changed.
    pub async fn priced_with_markup(
        &self,
        plan: &Plan,
        markup: Markup,
    ) -> Result<PricedTariff, CatalogError> {
        let mut chain = Vec::with_capacity(plan.plan_version_ids.len());
        for id in &plan.plan_version_ids {
            chain.push(self.plan_version(*id).await?);
        }
        let mut chain: Vec<&PlanVersion> = chain.iter().map(AsRef::as_ref).collect();
        let not_a_chain = || CatalogError::NotAChain { ids: plan.plan_version_ids.clone() };
        let own = self.derivation(chain.pop().ok_or_else(not_a_chain)?).await??;
        let own = Derivation::new(markup, own.overrides());
        let own = own.map_err(|error| Unusable::Damaged {
            what: format!("plan {:?}", plan.name).into(),
            reason: error.to_string().into(),
        })?;
        let below = self.priced(Arc::clone(plan.priced.tariff()), &chain).await??;
        let mut levels = below.levels().to_vec();
        levels.push(Arc::new(own));
        Ok(PricedTariff::new(Arc::clone(below.tariff()), levels, Arc::clone(plan.priced.terms())))
    }

    /// A reseller's retail plan, made where there is none yet.
    pub async fn retail_plan(&self, reseller_id: i64, now: Timestamp) -> Result<PlanVersion, CatalogError> {
        let (plan, new) = admin::retail::of_reseller(&self.store, reseller_id, now).await?;
        if new {
            self.refresh().await?;
        }
        Ok(plan)
    }
}
