//! From the store to a [`Snapshot`]: versions are compiled once and shared by everything that is based on them.

mod messages;
mod retail;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tollgate_rating::{
    CallRate, E164, Money, PlanTerms, PricedTariff, Tariff,
    plan::{Derivation, Markup, PriceList, Rounding, RoundingMode, UnknownName},
};

use super::admin::{self, AdminError, tariffs::stored_rows};
use super::error::CatalogError;
use super::fx::{Currency, Rate};
use super::lcr::Route;
use super::listing::Listing;
use super::price_list::Lists;
use super::snapshot::{CurrentTariff, MessagePrices, Plan, Snapshot};
use super::trunks::{LiveCalls, Trunk};
use super::unusable::Unusable;
use crate::keyed_lock::KeyedLock;
use crate::store::{PlanVersion, Store, StoreError, TariffVersion, TrunkRow};

/// Tariffs that nothing current stands on and that are kept all the same: calls that began before a change settle by
/// them for a while.
const KEPT_OLD_TARIFFS: usize = 8;
/// Decks compiled at once: each is work for one core and memory for a deck.
const COMPILED_AT_ONCE: usize = 2;
/// Plan versions remembered before the memory of them is started anew: they are small, and re-read when needed.
const KEPT_PLAN_VERSIONS: usize = 20_000;

/// Prices of plans' own that are remembered with those versions: a plan that gets thousands of them one by one would have
/// as many versions with thousands each.
const KEPT_OVERRIDES: usize = 500_000;

/// Versions by id. None of them ever changes.
#[derive(Debug, Default)]
struct Versions {
    tariffs: HashMap<i64, Weak<Tariff>>,
    recent: VecDeque<Arc<Tariff>>,
    derivations: HashMap<i64, Arc<Derivation>>,
    /// How many prices `derivations` hold.
    overrides: usize,
    plans: HashMap<i64, Arc<PlanVersion>>,
}

/// The catalog of a running server.
#[derive(Debug)]
pub struct Catalog {
    store: Store,
    wallets: Currency,
    snapshot: ArcSwap<Snapshot>,
    versions: Mutex<Versions>,
    /// Two refreshes at once could publish the older snapshot last.
    refreshing: tokio::sync::Mutex<()>,
    /// Limits concurrent compiling: for publishing, and for calls that settle by an old version.
    compiling: Semaphore,
    /// Each version is compiled by one task, and the others wait for it.
    version_locks: KeyedLock<i64>,
    lists: Lists,
    /// The latest known instant in microseconds: price lists are made as of it.
    listed_at: AtomicI64,
}

impl Catalog {
    /// Reads everything that is current, at the exchange rates that hold now. `wallets` is the deployment's currency.
    pub async fn load(store: Store, wallets: &str, now: Timestamp) -> Result<Self, CatalogError> {
        let wallets = wallets.parse()?;
        admin::fx::reprice(&store, wallets, now).await?;
        let catalog = Self {
            store,
            wallets,
            snapshot: ArcSwap::default(),
            versions: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            compiling: Semaphore::new(COMPILED_AT_ONCE),
            version_locks: KeyedLock::default(),
            lists: Lists::default(),
            listed_at: AtomicI64::new(now.as_microsecond()),
        };
        catalog.refresh().await?;
        Ok(catalog)
    }

    /// Moves tariffs to exchange rates that were set for a later date and hold now; returns the tariffs' names.
    pub async fn reprice(&self, now: Timestamp) -> Result<Vec<String>, CatalogError> {
        self.listed_at.store(now.as_microsecond(), Ordering::Relaxed);
        let repriced = admin::fx::reprice(&self.store, self.wallets, now).await?;
        if !repriced.is_empty() {
            self.refresh().await?;
        }
        Ok(repriced)
    }

    /// The present snapshot. Read it once for a call.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The list of a plan's prices at an instant.
    pub async fn list_of(&self, plan: &Plan, at: Timestamp) -> Arc<PriceList> {
        self.lists.list(&plan.listing, (plan.tariff_version_id, &plan.priced), at).await
    }

    /// The list of what messages cost at an instant.
    pub async fn list_of_messages(&self, messages: &MessagePrices, at: Timestamp) -> Arc<PriceList> {
        self.lists.list(&messages.listing, (messages.tariff_version_id, &messages.priced), at).await
    }

    /// Reports whether a change of that kind in the feed calls for [`Catalog::refresh`].
    pub fn concerns(kind: &str) -> bool {
        [admin::FEED_TARIFF, admin::FEED_PLAN, admin::FEED_TRUNK].contains(&kind)
    }

    /// Takes over what has changed since. Unchanged versions are not read or compiled again; calls meanwhile see the
    /// snapshot before or the one after, never a mixture.
    pub async fn refresh(&self) -> Result<(), CatalogError> {
        let _turn = self.refreshing.lock().await;
        let tariffs = self.store.current_tariffs().await?;
        let plans = self.store.current_plans().await?;
        let trunks = self.store.trunks().await?;

        let in_use = tariffs.into_iter().filter(|tariff| {
            let of_plan = Some(tariff.tariff_id);
            plans.iter().any(|plan| plan.tariff_id == of_plan || plan.sms_tariff_id == of_plan)
                || trunks.iter().any(|trunk| trunk.tariff_id == tariff.tariff_id)
        });
        let compiled: Vec<(CurrentTariff, TariffVersion)> = stream::iter(in_use)
            .map(|version| self.current_tariff(version))
            .buffer_unordered(COMPILED_AT_ONCE)
            .try_collect()
            .await?;
        let versions: HashMap<i64, TariffVersion> =
            compiled.iter().map(|(current, version)| (current.id, version.clone())).collect();
        let tariffs: HashMap<i64, CurrentTariff> =
            compiled.into_iter().map(|(current, _)| (current.id, current)).collect();

        let before = self.snapshot.load_full();
        let mut snapshot = Snapshot::default();
        let by_id: HashMap<i64, PlanVersion> = plans.into_iter().map(|plan| (plan.plan_id, plan)).collect();
        for plan in by_id.values() {
            match self.current_plan(plan, &by_id, &tariffs, &before).await? {
                Ok(plan) => {
                    snapshot.plan_names.insert(Arc::clone(&plan.name), plan.id);
                    snapshot.plans.insert(plan.id, plan);
                }
                Err(unusable) => {
                    snapshot.broken_plans.insert(plan.plan_id, (plan.name.as_str().into(), unusable));
                }
            }
        }
        for row in trunks {
            snapshot.trunks.push(Arc::new(current_trunk(&row, &tariffs, &versions, &before)));
        }
        snapshot.tariffs = tariffs;
        let (plans, trunks) = (snapshot.plans.len(), snapshot.trunks.len());
        let known = before.complaints();
        for complaint in snapshot.complaints().iter().filter(|complaint| !known.contains(complaint)) {
            tracing::warn!(catalog.complaint = %complaint, "part of the catalog has no prices");
        }
        let listed_at =
            Timestamp::from_microsecond(self.listed_at.load(Ordering::Relaxed)).unwrap_or_default();
        self.lists.make(&snapshot, listed_at).await;
        self.snapshot.store(Arc::new(snapshot));
        tracing::info!(catalog.plans = plans, catalog.trunks = trunks, "catalog published");
        Ok(())
    }

    async fn current_tariff(
        &self,
        version: TariffVersion,
    ) -> Result<(CurrentTariff, TariffVersion), CatalogError> {
        let current = CurrentTariff {
            id: version.tariff_id,
            name: version.name.as_str().into(),
            version_id: version.version_id,
            compiled: self.compiled(&version).await?,
        };
        Ok((current, version))
    }

    /// A version's tariff in the wallets' currency: from memory, or compiled.
    async fn compiled(&self, version: &TariffVersion) -> Result<Result<Arc<Tariff>, Unusable>, CatalogError> {
        let known = || self.versions().tariffs.get(&version.version_id).and_then(Weak::upgrade);
        if let Some(tariff) = known() {
            return Ok(Ok(tariff));
        }
        // A thousand calls that settle by one old version need it compiled once.
        let _compiling = self.version_locks.lock(version.version_id).await;
        if let Some(tariff) = known() {
            return Ok(Ok(tariff));
        }
        let _turn = self.compiling.acquire().await;
        let rate = match conversion(version, self.wallets) {
            Ok(rate) => rate,
            Err(unusable) => return Ok(Err(unusable)),
        };
        let rows = match stored_rows(&self.store, version.deck_id).await {
            Ok(rows) => rows,
            Err(AdminError::Store(error @ StoreError::Inconsistent { .. })) => {
                return Ok(Err(damaged(version, &error)));
            }
            Err(AdminError::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Err(damaged(version, &error))),
        };
        let compile = move || -> Result<Tariff, String> {
            let rows = match rate {
                None => rows,
                Some(rate) => rows
                    .into_iter()
                    .map(|row| rate.convert_row(row))
                    .collect::<Result<_, _>>()
                    .map_err(|error| error.to_string())?,
            };
            Tariff::compile(rows).map_err(|errors| errors.to_string())
        };
        let compiled = tokio::task::spawn_blocking(compile).await;
        let tariff = match compiled {
            Ok(Ok(tariff)) => Arc::new(tariff),
            Ok(Err(reason)) => return Ok(Err(damaged(version, &reason))),
            Err(stopped) => return Ok(Err(damaged(version, &stopped))),
        };
        let mut versions = self.versions();
        versions.tariffs.retain(|_, tariff| tariff.strong_count() > 0);
        versions.tariffs.insert(version.version_id, Arc::downgrade(&tariff));
        if versions.recent.len() == KEPT_OLD_TARIFFS {
            versions.recent.pop_front();
        }
        versions.recent.push_back(Arc::clone(&tariff));
        Ok(Ok(tariff))
    }

    fn versions(&self) -> MutexGuard<'_, Versions> {
        // Nothing is left half done in it by a panic elsewhere: each change is one insertion.
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A plan's own step: its markup and its prices.
    async fn derivation(
        &self,
        version: &PlanVersion,
    ) -> Result<Result<Arc<Derivation>, Unusable>, CatalogError> {
        if let Some(known) = self.versions().derivations.get(&version.version_id) {
            return Ok(Ok(Arc::clone(known)));
        }
        let stored = self.store.plan_overrides(version.plan_id, version.number).await?;
        let build = || -> Result<Derivation, String> {
            let overrides: Result<Vec<_>, String> = stored
                .iter()
                .map(|own| {
                    let prefix = own.prefix.parse().map_err(|_| format!("prefix {:?}", own.prefix))?;
                    Ok((prefix, Money::from_nanos(own.price)))
                })
                .collect();
            Derivation::new(markup_of(version)?, overrides?).map_err(|error| error.to_string())
        };
        let derivation = match build() {
            Ok(derivation) => Arc::new(derivation),
            Err(reason) => return Ok(Err(damaged_plan(version, &reason))),
        };
        let mut versions = self.versions();
        let count = stored.len();
        if versions.derivations.len() >= KEPT_PLAN_VERSIONS || versions.overrides + count > KEPT_OVERRIDES {
            versions.derivations.clear();
            versions.overrides = 0;
        }
        versions.overrides += count;
        versions.derivations.insert(version.version_id, Arc::clone(&derivation));
        Ok(Ok(derivation))
    }

    async fn current_plan(
        &self,
        plan: &PlanVersion,
        by_id: &HashMap<i64, PlanVersion>,
        tariffs: &HashMap<i64, CurrentTariff>,
        before: &Snapshot,
    ) -> Result<Result<Arc<Plan>, Unusable>, CatalogError> {
        let chain = chain_of(plan, by_id);
        let tariff = chain.first().and_then(|root| root.tariff_id).and_then(|id| tariffs.get(&id));
        let Some(tariff) = tariff else { return Ok(Err(damaged_plan(plan, &"its tariff is missing"))) };
        let plan_version_ids: Vec<i64> = chain.iter().map(|version| version.version_id).collect();
        if let Some(known) = before.plans.get(&plan.plan_id)
            && known.tariff_version_id == tariff.version_id
            && known.plan_version_ids == plan_version_ids
            && known.message_tariff() == messages::usable_tariff(&chain, tariffs)
        {
            return Ok(Ok(Arc::clone(known)));
        }
        let priced = match &tariff.compiled {
            Ok(tariff) => self.priced(Arc::clone(tariff), &chain).await?,
            Err(unusable) => Err(unusable.clone()),
        };
        let inherited = |setting: fn(&PlanVersion) -> Option<i64>| {
            chain
                .iter()
                .rev()
                .find_map(|version| setting(version))
                .and_then(|value| u32::try_from(value).ok())
        };
        Ok(priced.map(|priced| {
            Arc::new(Plan {
                messages: messages::priced(&chain, tariffs, priced.terms()),
                id: plan.plan_id,
                name: plan.name.as_str().into(),
                owner_id: plan.owner_id,
                tariff_version_id: tariff.version_id,
                plan_version_ids,
                priced,
                listing: Listing::default(),
                max_call_seconds: inherited(|version| version.max_call_seconds),
                signup: plan.signup,
                initial_credit: Money::from_nanos(plan.initial_credit),
                tariff_limit: plan.tariff_limit.and_then(|limit| u32::try_from(limit).ok()),
            })
        }))
    }

    async fn priced(
        &self,
        tariff: Arc<Tariff>,
        chain: &[&PlanVersion],
    ) -> Result<Result<PricedTariff, Unusable>, CatalogError> {
        let mut levels = Vec::with_capacity(chain.len());
        for version in chain {
            match self.derivation(version).await? {
                // A plan that changes no price is no level.
                Ok(same) if same.percent() == Markup::NONE && same.overrides().next().is_none() => {}
                Ok(level) => levels.push(level),
                Err(unusable) => return Ok(Err(unusable)),
            }
        }
        Ok(terms_of(chain).map(|terms| PricedTariff::new(tariff, levels, Arc::new(terms))))
    }

    /// The prices of versions that may no longer be current: for calls that were granted under them. The plan that sells
    /// the tariff comes first.
    pub async fn priced_at(
        &self,
        plan_version_ids: &[i64],
        tariff_version_id: i64,
    ) -> Result<PricedTariff, CatalogError> {
        let mut chain = Vec::with_capacity(plan_version_ids.len());
        for id in plan_version_ids {
            chain.push(self.plan_version(*id).await?);
        }
        let derives = |pair: &[Arc<PlanVersion>]| pair[1].base_plan_id == Some(pair[0].plan_id);
        if chain.is_empty() || !chain.windows(2).all(derives) {
            return Err(CatalogError::NotAChain { ids: plan_version_ids.to_vec() });
        }
        let tariff = self.tariff_at(tariff_version_id).await?;
        let chain: Vec<&PlanVersion> = chain.iter().map(AsRef::as_ref).collect();
        Ok(self.priced(tariff, &chain).await??)
    }

    /// The rate that a call to the number had at that moment under those versions.
    pub async fn rate_at_versions(
        &self,
        plan_version_ids: &[i64],
        tariff_version_id: i64,
        number: E164,
        at: Timestamp,
    ) -> Result<CallRate, CatalogError> {
        Ok(self.priced_at(plan_version_ids, tariff_version_id).await?.rate(number, at)?)
    }

    /// A route as it was granted at that moment: the trunk at that version of its tariff.
    pub async fn route_at_version(
        &self,
        trunk_id: i64,
        tariff_version_id: i64,
        number: E164,
        at: Timestamp,
    ) -> Result<Route, CatalogError> {
        let trunk = self.snapshot().trunk(trunk_id).cloned();
        let trunk = trunk.ok_or(CatalogError::NoSuchVersion { what: "trunk", id: trunk_id })?;
        let trunk = if trunk.tariff_version_id == tariff_version_id {
            trunk
        } else {
            let version = self.stored_tariff_version(tariff_version_id).await?;
            let terms = Arc::clone(trunk.buy_terms.as_ref().map_err(Clone::clone)?);
            let tariff = self.compiled(&version).await??;
            Arc::new(Trunk {
                tariff_version_id,
                fx_rate: version.rate_pico.and_then(Rate::from_pico).map(|rate| rate.to_string()),
                currency: version.currency,
                buy: Ok(PricedTariff::new(tariff, Vec::new(), terms)),
                ..(*trunk).clone()
            })
        };
        let rate = trunk.buy.as_ref().map_err(Clone::clone)?.rate(number, at)?;
        Ok(Route { trunk, rate })
    }

    async fn tariff_at(&self, version_id: i64) -> Result<Arc<Tariff>, CatalogError> {
        if let Some(tariff) = self.versions().tariffs.get(&version_id).and_then(Weak::upgrade) {
            return Ok(tariff);
        }
        let version = self.stored_tariff_version(version_id).await?;
        Ok(self.compiled(&version).await??)
    }

    async fn stored_tariff_version(&self, version_id: i64) -> Result<TariffVersion, CatalogError> {
        let version = self.store.tariff_version(version_id).await?;
        version.ok_or(CatalogError::NoSuchVersion { what: "tariff", id: version_id })
    }

    async fn plan_version(&self, version_id: i64) -> Result<Arc<PlanVersion>, CatalogError> {
        if let Some(known) = self.versions().plans.get(&version_id) {
            return Ok(Arc::clone(known));
        }
        let version = self.store.plan_version(version_id).await?;
        let version = Arc::new(version.ok_or(CatalogError::NoSuchVersion { what: "plan", id: version_id })?);
        let mut versions = self.versions();
        if versions.plans.len() >= KEPT_PLAN_VERSIONS {
            versions.plans.clear();
        }
        versions.plans.insert(version_id, Arc::clone(&version));
        Ok(version)
    }
}

/// The markup of a plan.
fn markup_of(version: &PlanVersion) -> Result<Markup, &'static str> {
    let markup = u32::try_from(version.markup_millionths).ok().and_then(Markup::from_millionths);
    markup.ok_or("a markup out of range")
}

fn damaged(version: &TariffVersion, reason: &dyn std::fmt::Display) -> Unusable {
    let what = format!("tariff {:?} version {}", version.name, version.number);
    Unusable::Damaged { what: what.into(), reason: reason.to_string().into() }
}

fn damaged_plan(version: &PlanVersion, reason: &dyn std::fmt::Display) -> Unusable {
    let what = format!("plan {:?} version {}", version.name, version.number);
    Unusable::Damaged { what: what.into(), reason: reason.to_string().into() }
}

/// The rate by which a version's deck becomes the wallets' money; none where it already is.
fn conversion(version: &TariffVersion, wallets: Currency) -> Result<Option<Rate>, Unusable> {
    let tariff = || version.name.as_str().into();
    if version.currency == wallets.as_str() {
        return Ok(None);
    }
    if version.priced_in != wallets.as_str() {
        return Err(Unusable::OtherCurrency {
            tariff: tariff(),
            priced_in: version.priced_in.as_str().into(),
            wallets: wallets.as_str().into(),
        });
    }
    version.rate_pico.and_then(Rate::from_pico).map(Some).ok_or_else(|| Unusable::MissingRate {
        tariff: tariff(),
        from: version.currency.as_str().into(),
        to: version.priced_in.as_str().into(),
    })
}

/// The plan and those it derives from, the one that sells a tariff first. Bounded, should the store hold a cycle.
fn chain_of<'a>(plan: &'a PlanVersion, by_id: &'a HashMap<i64, PlanVersion>) -> Vec<&'a PlanVersion> {
    let mut chain = vec![plan];
    let mut base = plan.base_plan_id;
    while let Some(next) = base.and_then(|id| by_id.get(&id))
        && chain.len() <= admin::plans::MAX_LEVELS
    {
        chain.push(next);
        base = next.base_plan_id;
    }
    chain.reverse();
    chain
}

/// The rounding and zone of a plan: its own where given, else the nearest base's.
fn terms_of(chain: &[&PlanVersion]) -> Result<PlanTerms, Unusable> {
    let own = |setting: fn(&PlanVersion) -> Option<&String>| {
        chain.iter().rev().find_map(|version| setting(version)).map(String::as_str)
    };
    let decimals = chain.iter().rev().find_map(|version| version.decimals);
    let build = || -> Result<PlanTerms, String> {
        let mut terms = PlanTerms::default();
        let text = |error: UnknownName| error.to_string();
        let mode: RoundingMode =
            own(|it| it.rounding.as_ref()).map_or(Ok(terms.rounding.mode()), str::parse).map_err(text)?;
        let decimals = decimals.map_or(Some(terms.rounding.decimals()), |it| u8::try_from(it).ok());
        terms.rounding = decimals
            .and_then(|decimals| Rounding::new(mode, decimals))
            .ok_or_else(|| "decimals out of range".to_owned())?;
        if let Some(name) = own(|it| it.duration_rounding.as_ref()) {
            terms.duration_rounding = name.parse().map_err(text)?;
        }
        if let Some(name) = own(|it| it.block_rounding.as_ref()) {
            terms.block_rounding = name.parse().map_err(text)?;
        }
        if let Some(name) = own(|it| it.zone.as_ref()) {
            terms.zone = admin::parse_zone(name).map_err(|error| error.to_string())?;
        }
        Ok(terms)
    };
    build().map_err(|reason| match chain.last() {
        Some(plan) => damaged_plan(plan, &reason),
        None => Unusable::Damaged { what: "a plan".into(), reason: reason.into() },
    })
}

fn trunk_terms(row: &TrunkRow) -> Result<PlanTerms, Unusable> {
    let build = || -> Result<PlanTerms, String> {
        Ok(PlanTerms {
            block_rounding: row.block_rounding.parse().map_err(|error: UnknownName| error.to_string())?,
            zone: admin::parse_zone(&row.zone).map_err(|error| error.to_string())?,
            ..PlanTerms::default()
        })
    };
    build().map_err(|reason| Unusable::Damaged {
        what: format!("trunk {:?}", row.name).into(),
        reason: reason.into(),
    })
}

fn current_trunk(
    row: &TrunkRow,
    tariffs: &HashMap<i64, CurrentTariff>,
    versions: &HashMap<i64, TariffVersion>,
    before: &Snapshot,
) -> Trunk {
    let live = before.trunk(row.trunk_id).map_or_else(Arc::<LiveCalls>::default, |it| Arc::clone(&it.live));
    let version = versions.get(&row.tariff_id);
    let compiled = tariffs.get(&row.tariff_id).map(|tariff| tariff.compiled.clone());
    let missing = || Unusable::Damaged {
        what: format!("trunk {:?}", row.name).into(),
        reason: "its tariff is missing".into(),
    };
    let buy_terms = trunk_terms(row).map(Arc::new);
    let buy = compiled.unwrap_or_else(|| Err(missing())).and_then(|tariff| {
        Ok(PricedTariff::new(tariff, Vec::new(), buy_terms.as_ref().map(Arc::clone).map_err(Clone::clone)?))
    });
    Trunk {
        id: row.trunk_id,
        name: row.name.clone(),
        endpoint: row.endpoint.clone(),
        host: row.host.clone(),
        priority: row.priority,
        weight: u64::try_from(row.weight).unwrap_or(1),
        strip: row.strip.clone(),
        prepend: row.prepend.clone(),
        max_calls: row.max_calls.and_then(|max| u32::try_from(max).ok()),
        active: row.active,
        tariff_version_id: version.map_or(0, |version| version.version_id),
        currency: version.map(|version| version.currency.clone()).unwrap_or_default(),
        fx_rate: version
            .and_then(|version| version.rate_pico)
            .and_then(Rate::from_pico)
            .map(|rate| rate.to_string()),
        buy,
        buy_terms,
        live,
    }
}
