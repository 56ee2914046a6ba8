//! Plans: tariffs as they are sold.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tollgate_rating::{
    Money,
    credit::Day,
    plan::{BlockRounding, DurationRounding, Markup, RoundingMode},
    prefix::Prefix,
    tariff::MAX_PRICE,
};

use super::{AdminError, FEED_PLAN, check_name, invalid, parse_zone, tariff_of_kind, unknown};
use crate::catalog::{TariffKind, snapshot};
use crate::store::{PlanVersion, Session, Store, StoreError, Tx, plan_by_id};

/// The most markups between a tariff and a plan: a price goes through each of them at every call.
pub const MAX_LEVELS: usize = 4;
/// The most prices of its own that a plan may have: all are read and indexed anew when one of them changes.
pub const MAX_OVERRIDES: i64 = 100_000;
/// The longest call a plan may allow: a day.
const MAX_CALL_SECONDS: u32 = 86_400;

/// The source of a plan's prices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basis {
    /// A tariff, by its name.
    Tariff(String),
    /// Another plan's prices with a markup.
    Plan {
        /// The base plan's name.
        name: String,
        /// Added to each of its prices.
        markup: Markup,
    },
}

/// A plan to make. A setting that is `None` is the base plan's, or the default where it sells a tariff.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanSpec {
    /// Its name.
    pub name: String,
    /// The source of its prices.
    pub basis: Basis,
    /// Rounding mode of charges.
    pub rounding: Option<RoundingMode>,
    /// Decimals that charges are rounded to, at most 9.
    pub decimals: Option<u8>,
    /// How milliseconds become seconds.
    pub duration_rounding: Option<DurationRounding>,
    /// The rounding to the increment.
    pub block_rounding: Option<BlockRounding>,
    /// IANA name of the zone of windows, dates and the spending day.
    pub zone: Option<String>,
    /// The longest call in seconds.
    pub max_call_seconds: Option<u32>,
    /// True if its owner's clients can choose it themselves.
    pub signup: bool,
    /// Credit of a new client on it.
    pub initial_credit: Money,
    /// How many plans an agent on it may own.
    pub tariff_limit: Option<u32>,
    /// The tariff it sells messages by; the base plan's where none.
    pub sms_tariff: Option<String>,
    /// The reseller it belongs to; the operator's where none.
    pub owner_id: Option<i64>,
}

impl PlanSpec {
    /// A plan with nothing set beside what it sells.
    pub fn new(name: &str, basis: Basis) -> Self {
        Self {
            name: name.to_owned(),
            basis,
            rounding: None,
            decimals: None,
            duration_rounding: None,
            block_rounding: None,
            zone: None,
            max_call_seconds: None,
            signup: false,
            initial_credit: Money::ZERO,
            tariff_limit: None,
            sms_tariff: None,
            owner_id: None,
        }
    }
}

/// Makes a plan.
pub async fn create(store: &Store, spec: &PlanSpec, now: Timestamp) -> Result<PlanVersion, AdminError> {
    check_name("name", &spec.name)?;
    if spec.decimals.is_some_and(|decimals| decimals > 9) {
        return Err(invalid("decimals", "at most 9"));
    }
    if let Some(zone) = &spec.zone {
        parse_zone(zone)?;
    }
    if spec.max_call_seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_CALL_SECONDS) {
        return Err(invalid("max_call_seconds", format!("1 to {MAX_CALL_SECONDS}")));
    }
    // The reseller API shows 0 for a plan without a limit.
    if spec.tariff_limit == Some(0) {
        return Err(invalid("tariff_limit", "at least 1; without it there is no limit"));
    }
    if spec.initial_credit.is_negative() {
        return Err(invalid("initial_credit", "never negative"));
    }

    let mut tx = store.begin().await?;
    let plan_id = tx.catalog_ids(2).await?;
    let plans = tx.current_plans().await?;
    let version = insert(&mut tx, &plans, plan_id, spec, now).await?;
    tx.append_feed(FEED_PLAN, plan_id, now).await?;
    tx.commit().await?;
    Ok(version)
}

/// Adds a plan beside the present ones. The transaction holds the catalog's lock and has reserved `plan_id` and the id
/// after it; the feed is the caller's.
pub(super) async fn insert(
    tx: &mut Tx,
    plans: &[PlanVersion],
    plan_id: i64,
    spec: &PlanSpec,
    now: Timestamp,
) -> Result<PlanVersion, AdminError> {
    if plans.iter().any(|plan| plan.name == spec.name) {
        return Err(AdminError::Exists { what: "plan", name: spec.name.clone() });
    }
    if let Some(owner_id) = spec.owner_id {
        check_plan_limit(tx, plans, owner_id).await?;
    }
    let (tariff_id, base_plan_id, markup) = match &spec.basis {
        Basis::Tariff(name) => {
            let tariff = tariff_of_kind(tx, name, TariffKind::Voice).await?;
            (Some(tariff.tariff_id), None, Markup::NONE)
        }
        Basis::Plan { name, markup } => {
            let base = plans.iter().find(|plan| plan.name == *name).ok_or_else(|| unknown("plan", name))?;
            if levels(plans, base) >= MAX_LEVELS {
                return Err(AdminError::TooDeep { name: name.clone() });
            }
            (None, Some(base.plan_id), *markup)
        }
    };
    let sms_tariff_id = match &spec.sms_tariff {
        Some(name) => Some(tariff_of_kind(tx, name, TariffKind::Sms).await?.tariff_id),
        None => None,
    };
    let version = PlanVersion {
        plan_id,
        name: spec.name.clone(),
        owner_id: spec.owner_id,
        version_id: plan_id + 1,
        number: 1,
        tariff_id,
        base_plan_id,
        markup_millionths: i64::from(markup.millionths()),
        rounding: spec.rounding.map(|mode| mode.to_string()),
        decimals: spec.decimals.map(i64::from),
        duration_rounding: spec.duration_rounding.map(|rounding| rounding.to_string()),
        block_rounding: spec.block_rounding.map(|rounding| rounding.to_string()),
        zone: spec.zone.clone(),
        max_call_seconds: spec.max_call_seconds.map(i64::from),
        signup: spec.signup,
        initial_credit: spec.initial_credit.nanos(),
        tariff_limit: spec.tariff_limit.map(i64::from),
        sms_tariff_id,
        created_at: crate::store::to_micros(now),
    };
    tx.insert_plan(&version, now).await?;
    Ok(version)
}

/// Refuses one more plan to a reseller that owns as many as the plan it is on itself lets it.
async fn check_plan_limit(tx: &mut Tx, plans: &[PlanVersion], owner_id: i64) -> Result<(), AdminError> {
    let owner = tx.account_by_id(owner_id).await?;
    let own = owner.and_then(|owner| plans.iter().find(|plan| plan.plan_id == owner.plan_id));
    let Some((own, limit)) = own.and_then(|own| Some((own, own.tariff_limit?))) else { return Ok(()) };
    let count = plans.iter().filter(|plan| plan.owner_id == Some(owner_id)).count();
    if i64::try_from(count).is_ok_and(|count| count < limit) {
        return Ok(());
    }
    Err(AdminError::PlanLimit { plan: own.name.clone(), limit })
}

/// Number of markups between the plan and its tariff. A base is chosen when a plan is made and never changes, so
/// there is no cycle; the walk is bounded all the same.
fn levels(plans: &[PlanVersion], plan: &PlanVersion) -> usize {
    let mut level = 0;
    let mut base = plan.base_plan_id;
    while let Some(id) = base
        && level < plans.len()
    {
        level += 1;
        base = plans.iter().find(|plan| plan.plan_id == id).and_then(|plan| plan.base_plan_id);
    }
    level
}

/// The spending day of a plan that a moment lies in, whether the plan prices anything or not: its own zone's, else its
/// nearest base's.
pub async fn spending_day(
    session: &mut impl Session,
    plan_id: i64,
    at: Timestamp,
) -> Result<Day, StoreError> {
    let mut next = Some(plan_id);
    for _ in 0..=MAX_LEVELS {
        let Some(id) = next else { break };
        let Some(plan) = plan_by_id(session, id).await? else { break };
        if let Some(name) = &plan.zone {
            return match parse_zone(name) {
                Ok(zone) => Ok(snapshot::spending_day(&zone, at)),
                Err(error) => Err(StoreError::Inconsistent {
                    table: "plan_versions",
                    reason: format!("plan {:?}: {error}", plan.name),
                }),
            };
        }
        next = plan.base_plan_id;
    }
    Ok(snapshot::spending_day(&TimeZone::UTC, at))
}

/// The current version of each plan, by name.
pub async fn list(store: &Store) -> Result<Vec<PlanVersion>, AdminError> {
    Ok(store.current_plans().await?)
}

/// The result of a change of a markup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarkedUp {
    /// The plan as it is now.
    pub plan: PlanVersion,
    /// True if it had another markup before. Where it had not, nothing was written.
    pub changed: bool,
}

/// Changes a derived plan's markup: the next call is charged by it, and no rate is written anew.
pub async fn set_markup(
    store: &Store,
    name: &str,
    markup: Markup,
    now: Timestamp,
) -> Result<MarkedUp, AdminError> {
    let mut tx = store.begin().await?;
    let (current, mut version) = next_version(&mut tx, name, now).await?;
    if version.base_plan_id.is_none() {
        let reason = format!("{name:?} sells a tariff as it stands; derive a plan from it to mark it up");
        return Err(invalid("markup", reason));
    }
    version.markup_millionths = i64::from(markup.millionths());
    if version.markup_millionths == current.markup_millionths {
        return Ok(MarkedUp { plan: current, changed: false });
    }
    tx.publish_plan_version(&version, now).await?;
    tx.append_feed(FEED_PLAN, version.plan_id, now).await?;
    tx.commit().await?;
    Ok(MarkedUp { plan: version, changed: true })
}

/// Gives a plan a price of its own for a prefix, or takes it away again. The price that it has already writes nothing.
pub async fn set_override(
    store: &Store,
    name: &str,
    prefix: Prefix,
    price: Option<Money>,
    now: Timestamp,
) -> Result<PlanVersion, AdminError> {
    if price.is_some_and(|price| price.is_negative() || price > MAX_PRICE) {
        return Err(invalid("price", format!("0 to {MAX_PRICE}")));
    }
    let mut tx = store.begin().await?;
    let (current, version) = next_version(&mut tx, name, now).await?;
    let digits = prefix.to_string();
    let present = tx.override_price(version.plan_id, &digits).await?;
    match (present, price) {
        (None, None) => return Err(unknown("override of prefix", &digits)),
        (Some(present), Some(price)) if present == price.nanos() => return Ok(current),
        (None, Some(_)) if tx.count_overrides(version.plan_id).await? >= MAX_OVERRIDES => {
            return Err(AdminError::TooManyPrices { name: name.to_owned() });
        }
        _ => {}
    }
    if present.is_some() {
        tx.close_override(version.plan_id, &digits, version.number).await?;
    }
    if let Some(price) = price {
        tx.open_override(version.plan_id, &digits, version.number, price.nanos()).await?;
    }
    tx.publish_plan_version(&version, now).await?;
    tx.append_feed(FEED_PLAN, version.plan_id, now).await?;
    tx.commit().await?;
    Ok(version)
}

/// Gives a plan a tariff of its own to sell messages by, or takes it away again: the plan then has its base plan's. The
/// tariff that it has already writes nothing.
pub async fn set_sms_tariff(
    store: &Store,
    name: &str,
    tariff: Option<&str>,
    now: Timestamp,
) -> Result<PlanVersion, AdminError> {
    let mut tx = store.begin().await?;
    let (current, mut version) = next_version(&mut tx, name, now).await?;
    version.sms_tariff_id = match tariff {
        Some(tariff) => Some(tariff_of_kind(&mut tx, tariff, TariffKind::Sms).await?.tariff_id),
        None => None,
    };
    if version.sms_tariff_id == current.sms_tariff_id {
        return Ok(current);
    }
    tx.publish_plan_version(&version, now).await?;
    tx.append_feed(FEED_PLAN, version.plan_id, now).await?;
    tx.commit().await?;
    Ok(version)
}

/// The plan as it is, and its settings as its next version. Holds the catalog's lock, so that no two changes make the
/// same number.
async fn next_version(
    tx: &mut Tx,
    name: &str,
    now: Timestamp,
) -> Result<(PlanVersion, PlanVersion), AdminError> {
    let version_id = tx.catalog_ids(1).await?;
    let current = tx.current_plans().await?.into_iter().find(|plan| plan.name == name);
    let current = current.ok_or_else(|| unknown("plan", name))?;
    let next = PlanVersion {
        version_id,
        number: current.number + 1,
        created_at: crate::store::to_micros(now),
        ..current.clone()
    };
    Ok((current, next))
}
