//! Plans and their versions.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// A version of a plan. A setting that is `None` is the base plan's.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PlanVersion {
        /// The plan.
        pub plan_id: i64,
        /// The plan's name.
        pub name: String,
        /// The reseller it belongs to; the operator's where none.
        pub owner_id: Option<i64>,
        /// The version's id.
        pub version_id: i64,
        /// Its number in the plan, from 1.
        pub number: i64,
        /// The tariff it sells, or none where it derives from a plan.
        pub tariff_id: Option<i64>,
        /// The plan it derives from.
        pub base_plan_id: Option<i64>,
        /// Markup in millionths of the price.
        pub markup_millionths: i64,
        /// Rounding mode.
        pub rounding: Option<String>,
        /// Decimals that a charge is rounded to.
        pub decimals: Option<i64>,
        /// How milliseconds become seconds.
        pub duration_rounding: Option<String>,
        /// What is rounded to the increment.
        pub block_rounding: Option<String>,
        /// Time zone of windows, dates and the spending day.
        pub zone: Option<String>,
        /// The longest call in seconds.
        pub max_call_seconds: Option<i64>,
        /// Whether clients can choose it themselves.
        pub signup: bool,
        /// Credit of a new client, in nano-units.
        pub initial_credit: i64,
        /// How many plans an agent on it may own.
        pub tariff_limit: Option<i64>,
        /// The tariff it sells messages by.
        pub sms_tariff_id: Option<i64>,
        /// When it was published, in microseconds since the epoch.
        pub created_at: i64,
    }
}

row! {
    /// A price of a plan's own.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OverridePrice {
        /// The prefix's digits.
        pub prefix: String,
        /// Price per minute in nano-units.
        pub price: i64,
    }
}

const PLAN_INSERT: &str = include_str!("../../../sql/queries/plan_insert.sql");
const PLAN_FLIP: &str = include_str!("../../../sql/queries/plan_flip.sql");
const PLAN_VERSION_INSERT: &str = include_str!("../../../sql/queries/plan_version_insert.sql");
const PLAN_CURRENT: &str = include_str!("../../../sql/queries/plan_current.sql");
const PLAN_BY_ID: &str = include_str!("../../../sql/queries/plan_by_id.sql");
const PLANS_OF_OWNER: &str = include_str!("../../../sql/queries/plans_of_owner.sql");
const RETAIL_PLAN_OF: &str = include_str!("../../../sql/queries/retail_plan_of.sql");
const RETAIL_PLAN_INSERT: &str = include_str!("../../../sql/queries/retail_plan_insert.sql");
const PLAN_VERSION: &str = include_str!("../../../sql/queries/plan_version.sql");
const OVERRIDES: &str = include_str!("../../../sql/queries/plan_overrides.sql");
const OVERRIDE_PRICE: &str = include_str!("../../../sql/queries/plan_override_price.sql");
const OVERRIDE_COUNT: &str = include_str!("../../../sql/queries/plan_override_count.sql");
const OVERRIDE_OPEN: &str = include_str!("../../../sql/queries/plan_override_open.sql");
const OVERRIDE_CLOSE: &str = include_str!("../../../sql/queries/plan_override_close.sql");

impl Store {
    /// The current version of each plan, by name.
    pub async fn current_plans(&self) -> Result<Vec<PlanVersion>, StoreError> {
        current_plans(&mut self.reader().await?).await
    }

    /// The current version of a plan.
    pub async fn plan_by_id(&self, plan_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        plan_by_id(&mut self.reader().await?, plan_id).await
    }

    /// The current versions of a reseller's plans, newest plan first.
    pub async fn plans_of_owner(&self, owner_id: i64) -> Result<Vec<PlanVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(PLANS_OF_OWNER).bind(owner_id).fetch_all(c).await)?)
    }

    /// The plan that a reseller's clients get when none is named, once there is one.
    pub async fn retail_plan_of(&self, reseller_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        retail_plan_of(&mut self.reader().await?, reseller_id).await
    }

    /// Any version, also one that is no longer current.
    pub async fn plan_version(&self, version_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(PLAN_VERSION).bind(version_id).fetch_optional(c).await)?)
    }

    /// The prices of its own that a version of a plan has, by its number.
    pub async fn plan_overrides(&self, plan_id: i64, number: i64) -> Result<Vec<OverridePrice>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(OVERRIDES).bind(plan_id).bind(number).fetch_all(c).await)?)
    }
}

impl Tx {
    /// The current version of each plan, by name.
    pub async fn current_plans(&mut self) -> Result<Vec<PlanVersion>, StoreError> {
        current_plans(self).await
    }

    /// The plan that a reseller's clients get when none is named, once there is one.
    pub async fn retail_plan_of(&mut self, reseller_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        retail_plan_of(self, reseller_id).await
    }

    /// Notes which plan a reseller's clients get when none is named.
    pub async fn insert_retail_plan(&mut self, reseller_id: i64, plan_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(RETAIL_PLAN_INSERT).bind(reseller_id).bind(plan_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Adds a plan with its first version.
    pub async fn insert_plan(&mut self, version: &PlanVersion, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PLAN_INSERT).bind(version.plan_id).bind(&version.name).bind(version.owner_id)
            .bind(version.version_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        self.insert_plan_version(version, now).await
    }

    /// Adds a version and makes it the current one.
    pub async fn publish_plan_version(
        &mut self,
        version: &PlanVersion,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert_plan_version(version, now).await?;
        on!(self, c => sqlx::query(PLAN_FLIP).bind(version.plan_id).bind(version.version_id).execute(c).await.map(drop))?;
        Ok(())
    }

    async fn insert_plan_version(&mut self, version: &PlanVersion, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PLAN_VERSION_INSERT).bind(version.version_id).bind(version.plan_id).bind(version.number)
            .bind(version.tariff_id).bind(version.base_plan_id).bind(version.markup_millionths).bind(&version.rounding)
            .bind(version.decimals).bind(&version.duration_rounding).bind(&version.block_rounding).bind(&version.zone)
            .bind(version.max_call_seconds).bind(version.signup).bind(version.initial_credit).bind(version.tariff_limit)
            .bind(version.sms_tariff_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// A plan's own price of a prefix now, in nano-units.
    pub async fn override_price(&mut self, plan_id: i64, prefix: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(OVERRIDE_PRICE).bind(plan_id).bind(prefix).fetch_optional(c).await)?;
        Ok(row.map(|(price,)| price))
    }

    /// How many prices of its own a plan has now.
    pub async fn count_overrides(&mut self, plan_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(OVERRIDE_COUNT).bind(plan_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Ends a plan's own price of a prefix from a version (a number) on.
    pub async fn close_override(&mut self, plan_id: i64, prefix: &str, until: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(OVERRIDE_CLOSE).bind(plan_id).bind(prefix).bind(until).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Gives a plan a price of its own from a version (a number) on.
    pub async fn open_override(
        &mut self,
        plan_id: i64,
        prefix: &str,
        from: i64,
        price_nanos: i64,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(OVERRIDE_OPEN).bind(plan_id).bind(prefix).bind(from).bind(price_nanos).execute(c).await
            .map(drop))?;
        Ok(())
    }
}

async fn current_plans(session: &mut impl Session) -> Result<Vec<PlanVersion>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(PLAN_CURRENT).fetch_all(c).await)?)
}

async fn retail_plan_of(
    session: &mut impl Session,
    reseller_id: i64,
) -> Result<Option<PlanVersion>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(RETAIL_PLAN_OF).bind(reseller_id).fetch_optional(c).await)?)
}

/// The current version of a plan, as this session sees it.
pub(crate) async fn plan_by_id(
    session: &mut impl Session,
    plan_id: i64,
) -> Result<Option<PlanVersion>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(PLAN_BY_ID).bind(plan_id).fetch_optional(c).await)?)
}
