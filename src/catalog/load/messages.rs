//! The message prices of plans.

use std::collections::HashMap;
use std::sync::Arc;

use tollgate_rating::plan::{Derivation, Markup};
use tollgate_rating::{PlanTerms, PricedTariff};

use super::{damaged_plan, markup_of};
use crate::catalog::snapshot::{CurrentTariff, MessagePrices};
use crate::catalog::unusable::Unusable;
use crate::store::PlanVersion;

/// The place in the chain of the plan that names the tariff for messages, and the tariff's id: the plan's own before its
/// base's.
fn named(chain: &[&PlanVersion]) -> Option<(usize, i64)> {
    let mut named = chain.iter().enumerate().rev();
    named.find_map(|(place, version)| version.sms_tariff_id.map(|id| (place, id)))
}

/// The version of the tariff that a chain of plans sells messages by, where it prices anything.
pub(super) fn usable_tariff(chain: &[&PlanVersion], tariffs: &HashMap<i64, CurrentTariff>) -> Option<i64> {
    let (_, tariff_id) = named(chain)?;
    tariffs.get(&tariff_id).filter(|tariff| tariff.compiled.is_ok()).map(|tariff| tariff.version_id)
}

/// The message prices of the last plan of a chain. The plan that names the tariff sells at its prices; each plan derived
/// from that adds its markup, and rounds.
pub(super) fn priced(
    chain: &[&PlanVersion],
    tariffs: &HashMap<i64, CurrentTariff>,
    terms: &Arc<PlanTerms>,
) -> Option<Result<Arc<MessagePrices>, Unusable>> {
    let (place, tariff_id) = named(chain)?;
    let build = || -> Result<Arc<MessagePrices>, Unusable> {
        let missing = || damaged_plan(chain[place], &"its tariff for messages is missing");
        let tariff = tariffs.get(&tariff_id).ok_or_else(missing)?;
        let deck = Arc::clone(tariff.compiled.as_ref().map_err(Clone::clone)?);
        let mut levels = Vec::new();
        for version in &chain[place + 1..] {
            match markup_of(version).map_err(|reason| damaged_plan(version, &reason))? {
                Markup::NONE => {}
                markup => levels.push(Arc::new(Derivation::markup(markup))),
            }
        }
        let priced = PricedTariff::new(deck, levels, Arc::clone(terms));
        Ok(Arc::new(MessagePrices::new(tariff.version_id, priced)))
    };
    Some(build())
}
