//! Data packages: the upstream's catalogue as it was last read, and prices that the operator has fixed.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, on, row, to_micros};

const ALL: &str = include_str!("../../sql/queries/esim_packages_all.sql");
const PUT: &str = include_str!("../../sql/queries/esim_packages_put.sql");
const GONE: &str = include_str!("../../sql/queries/esim_packages_gone.sql");
const PRICES: &str = include_str!("../../sql/queries/esim_prices_all.sql");
const PUT_PRICE: &str = include_str!("../../sql/queries/esim_prices_put.sql");
const DELETE_PRICE: &str = include_str!("../../sql/queries/esim_prices_delete.sql");

row! {
    /// A package as it is kept.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EsimPackageRow {
        /// Its code.
        pub code: String,
        /// Its other name.
        pub slug: String,
        /// Its name.
        pub name: String,
        /// Its description.
        pub description: String,
        /// What it costs us, in 1/10,000 of the currency.
        pub price_e4: i64,
        /// The currency.
        pub currency: String,
        /// Bytes.
        pub volume_bytes: i64,
        /// How long it is good, in units.
        pub duration: i64,
        /// The unit.
        pub duration_unit: String,
        /// ISO 3166 codes, separated by commas.
        pub locations: String,
        /// Networks by country, JSON.
        pub coverage: String,
        /// 1: the upstream does not list it any more.
        pub gone: i64,
    }
}

row! {
    struct PriceRow {
        package_code: String,
        client_price: Option<i64>,
        reseller_price: Option<i64>,
        allow_loss: i64,
    }
}

/// Prices that were fixed for a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimPrice {
    /// Which package.
    pub package_code: String,
    /// What clients pay.
    pub client: Option<Money>,
    /// What resellers pay.
    pub reseller: Option<Money>,
    /// Whether it may be sold below its cost.
    pub allow_loss: bool,
}

impl Tx {
    /// Adds a package, or writes it over what it was.
    pub async fn put_esim_package(
        &mut self,
        package: &EsimPackageRow,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PUT)
            .bind(&package.code)
            .bind(&package.slug)
            .bind(&package.name)
            .bind(&package.description)
            .bind(package.price_e4)
            .bind(&package.currency)
            .bind(package.volume_bytes)
            .bind(package.duration)
            .bind(&package.duration_unit)
            .bind(&package.locations)
            .bind(&package.coverage)
            .bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Notes that the upstream does not list a package any more.
    pub async fn esim_package_is_gone(&mut self, code: &str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(GONE).bind(code).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Fixes prices of a package, over those that were.
    pub async fn put_esim_price(&mut self, price: &EsimPrice, at: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(PUT_PRICE)
            .bind(&price.package_code)
            .bind(price.client.map(Money::nanos))
            .bind(price.reseller.map(Money::nanos))
            .bind(i64::from(price.allow_loss))
            .bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Lets a package's prices follow its cost again; `false` where none were fixed.
    pub async fn delete_esim_price(&mut self, code: &str) -> Result<bool, StoreError> {
        let deleted = on!(self, c => sqlx::query(DELETE_PRICE)
            .bind(code).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(deleted == 1)
    }
}

impl Store {
    /// Every package that was ever listed, by code.
    pub async fn esim_packages(&self) -> Result<Vec<EsimPackageRow>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ALL).fetch_all(c).await)?)
    }

    /// Every price that was fixed.
    pub async fn esim_prices(&self) -> Result<Vec<EsimPrice>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<PriceRow> = on!(&mut reader, c => sqlx::query_as(PRICES).fetch_all(c).await)?;
        Ok(rows
            .into_iter()
            .map(|row| EsimPrice {
                package_code: row.package_code,
                client: row.client_price.map(Money::from_nanos),
                reseller: row.reseller_price.map(Money::from_nanos),
                allow_loss: row.allow_loss != 0,
            })
            .collect())
    }
}
