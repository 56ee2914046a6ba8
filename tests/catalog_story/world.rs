//! What every claim needs: a database with a catalog, and short ways to change it.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate::catalog::admin::{
    AdminError, fx,
    plans::{self, Basis, PlanSpec},
    tariffs::{self, Import, Imported},
    trunks::{self, TrunkSpec},
};
use tollgate::catalog::{Catalog, Plan, TariffKind, deck::ColumnMap, fx::Currency};
use tollgate::clock::{Clock as _, ManualClock};
use tollgate::store::{PlanVersion, TrunkRow};
use tollgate_rating::{E164, Money};

use crate::database::{Database, noon};

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) clock: ManualClock,
}

pub(crate) fn currency(text: &str) -> Currency {
    text.parse().unwrap()
}

pub(crate) fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

impl World {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, clock: ManualClock::at(noon()) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Imports a deck of `prefix,price_per_minute` lines, in a currency.
    pub(crate) async fn import_in(
        &self,
        name: &str,
        deck: &str,
        in_currency: &str,
    ) -> Result<Imported, AdminError> {
        let deck = format!("prefix,price_per_minute\n{deck}");
        let import = Import {
            name: name.to_owned(),
            kind: TariffKind::Voice,
            currency: Some(currency(in_currency)),
            columns: ColumnMap::default(),
            dry_run: false,
        };
        let input = std::io::Cursor::new(deck);
        tariffs::import(&self.database.store, &self.clock, currency("EUR"), input, import).await
    }

    pub(crate) async fn import(&self, name: &str, deck: &str) -> Imported {
        self.import_in(name, deck, "EUR").await.unwrap()
    }

    pub(crate) async fn plan_on(&self, name: &str, tariff: &str) -> PlanVersion {
        self.create_plan(&PlanSpec::new(name, Basis::Tariff(tariff.to_owned()))).await.unwrap()
    }

    pub(crate) async fn plan_over(
        &self,
        name: &str,
        base: &str,
        percent: &str,
    ) -> Result<PlanVersion, AdminError> {
        let basis = Basis::Plan { name: base.to_owned(), markup: percent.parse().unwrap() };
        self.create_plan(&PlanSpec::new(name, basis)).await
    }

    pub(crate) async fn create_plan(&self, spec: &PlanSpec) -> Result<PlanVersion, AdminError> {
        plans::create(&self.database.store, spec, self.now()).await
    }

    pub(crate) async fn trunk(&self, spec: &TrunkSpec) -> Result<TrunkRow, AdminError> {
        trunks::create(&self.database.store, spec, self.now()).await
    }

    pub(crate) async fn fx(&self, base: &str, rate: &str, from: Timestamp) -> fx::FxSet {
        let (base, rate) = (currency(base), rate.parse().unwrap());
        fx::set(&self.database.store, base, currency("EUR"), rate, from, self.now()).await.unwrap()
    }

    pub(crate) async fn catalog(&self) -> Catalog {
        Catalog::load(self.database.store.clone(), "EUR", self.now()).await.unwrap()
    }

    /// The price of a minute to a number, as text.
    pub(crate) fn price(&self, catalog: &Catalog, plan: &str, to: &str) -> String {
        let rate = self::plan(catalog, plan).priced.rate(number(to), self.now()).unwrap();
        rate.price_per_minute(self.now()).to_string()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        use tollgate::store::{Session as _, Side};
        let mut reader = self.database.store.reader().await.unwrap();
        let (count,): (i64,) = match reader.side() {
            Side::Sqlite(c) => sqlx::query_as(query).fetch_one(c).await.unwrap(),
            Side::Postgres(c) => sqlx::query_as(query).fetch_one(c).await.unwrap(),
        };
        count
    }
}

pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub(crate) fn plan(catalog: &Catalog, name: &str) -> Arc<Plan> {
    Arc::clone(catalog.snapshot().plan_named(name).unwrap())
}
