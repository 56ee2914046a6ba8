//! Plans and their versions.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// A version of a plan. A setting of `None` means the base plan's value.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PlanVersion {
        /// Id of the plan.
        pub plan_id: i64,
        /// Name of the plan.
        pub name: String,
        /// Reseller that owns the plan; `None` for the operator.
        pub owner_id: Option<i64>,
        /// Id of the version.
        pub version_id: i64,
        /// Number of the version within the plan, from 1.
        pub number: i64,
        /// Tariff it sells; `None` if it derives from a plan.
        pub tariff_id: Option<i64>,
        /// Plan it derives from.
        pub base_plan_id: Option<i64>,
        /// Markup in millionths of the price.
        pub markup_millionths: i64,
        /// Rounding mode of charges.
        pub rounding: Option<String>,
        /// Number of decimals of charges.
        pub decimals: Option<i64>,
        /// Rounding of milliseconds to seconds.
        pub duration_rounding: Option<String>,
        /// Duration rounded to the increment.
        pub block_rounding: Option<String>,
        /// Time zone of time windows, dates and the spending day.
        pub zone: Option<String>,
        /// Maximum duration of a call in seconds.
        pub max_call_seconds: Option<i64>,
        /// True if clients can choose the plan themselves.
        pub signup: bool,
        /// Initial credit of a new client in nano-units.
        pub initial_credit: i64,
        /// Maximum number of plans an agent on this plan may own.
        pub tariff_limit: Option<i64>,
        /// Tariff that prices messages.
        pub sms_tariff_id: Option<i64>,
        /// Time of publication in microseconds since the epoch.
        pub created_at: i64,
    }
}

row! {
    /// A plan's own price for a prefix.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OverridePrice {
        /// Digits of the prefix.
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
    /// Reads the current version of each plan, by name.
    pub async fn current_plans(&self) -> Result<Vec<PlanVersion>, StoreError> {
        current_plans(&mut self.reader().await?).await
    }

    /// Reads the current version of a plan.
    pub async fn plan_by_id(&self, plan_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        plan_by_id(&mut self.reader().await?, plan_id).await
    }

    /// Reads the current versions of a reseller's plans, newest plan first.
    pub async fn plans_of_owner(&self, owner_id: i64) -> Result<Vec<PlanVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(PLANS_OF_OWNER).bind(owner_id).fetch_all(c).await)?)
    }

    /// Reads the default plan of a reseller's clients, if there is one.
    pub async fn retail_plan_of(&self, reseller_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        retail_plan_of(&mut self.reader().await?, reseller_id).await
    }

    /// Reads a version, current or not.
    pub async fn plan_version(&self, version_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(PLAN_VERSION).bind(version_id).fetch_optional(c).await)?)
    }

    /// Reads the plan's own prices in a version, given by its number.
    pub async fn plan_overrides(&self, plan_id: i64, number: i64) -> Result<Vec<OverridePrice>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(OVERRIDES).bind(plan_id).bind(number).fetch_all(c).await)?)
    }
}

impl Tx {
    /// Reads the current version of each plan, by name.
    pub async fn current_plans(&mut self) -> Result<Vec<PlanVersion>, StoreError> {
        current_plans(self).await
    }

    /// Reads the default plan of a reseller's clients, if there is one.
    pub async fn retail_plan_of(&mut self, reseller_id: i64) -> Result<Option<PlanVersion>, StoreError> {
        retail_plan_of(self, reseller_id).await
    }

    /// Inserts the default plan of a reseller's clients.
    pub async fn insert_retail_plan(&mut self, reseller_id: i64, plan_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(RETAIL_PLAN_INSERT).bind(reseller_id).bind(plan_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Inserts a plan with its first version.
    pub async fn insert_plan(&mut self, version: &PlanVersion, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PLAN_INSERT).bind(version.plan_id).bind(&version.name).bind(version.owner_id)
            .bind(version.version_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        self.insert_plan_version(version, now).await
    }

    /// Inserts a version and makes it the current one.
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

    /// Reads a plan's current own price for a prefix in nano-units.
    pub async fn override_price(&mut self, plan_id: i64, prefix: &str) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(OVERRIDE_PRICE).bind(plan_id).bind(prefix).fetch_optional(c).await)?;
        Ok(row.map(|(price,)| price))
    }

    /// Counts a plan's current own prices.
    pub async fn count_overrides(&mut self, plan_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(OVERRIDE_COUNT).bind(plan_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Ends a plan's own price for a prefix from a version number on.
    pub async fn close_override(&mut self, plan_id: i64, prefix: &str, until: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(OVERRIDE_CLOSE).bind(plan_id).bind(prefix).bind(until).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Starts a plan's own price for a prefix from a version number on.
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

/// Reads the current version of a plan as this session sees it.
pub(crate) async fn plan_by_id(
    session: &mut impl Session,
    plan_id: i64,
) -> Result<Option<PlanVersion>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(PLAN_BY_ID).bind(plan_id).fetch_optional(c).await)?)
}
