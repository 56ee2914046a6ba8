//! eSIM packages: the upstream's catalogue as last read, and prices fixed by the operator.

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
    /// A package as stored.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EsimPackageRow {
        /// Package code.
        pub code: String,
        /// Alternative code (slug).
        pub slug: String,
        /// Name of the package.
        pub name: String,
        /// Description of the package.
        pub description: String,
        /// Cost to the operator in 1/10,000 of the currency.
        pub price_e4: i64,
        /// Currency of the cost.
        pub currency: String,
        /// Data volume in bytes.
        pub volume_bytes: i64,
        /// Validity, in `duration_unit`.
        pub duration: i64,
        /// Unit of the validity.
        pub duration_unit: String,
        /// ISO 3166 country codes, separated by commas.
        pub locations: String,
        /// Networks by country, as JSON.
        pub coverage: String,
        /// 1 if the upstream no longer lists it, otherwise 0.
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

/// Fixed prices of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimPrice {
    /// Code of the package.
    pub package_code: String,
    /// Price for clients.
    pub client: Option<Money>,
    /// Price for resellers.
    pub reseller: Option<Money>,
    /// True if it may be sold below its cost.
    pub allow_loss: bool,
}

impl Tx {
    /// Inserts or replaces a package.
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

    /// Marks a package as no longer listed by the upstream.
    pub async fn esim_package_is_gone(&mut self, code: &str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(GONE).bind(code).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Inserts or replaces the fixed prices of a package.
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

    /// Deletes a package's fixed prices, so that they follow its cost again; `false` if there were none.
    pub async fn delete_esim_price(&mut self, code: &str) -> Result<bool, StoreError> {
        let deleted = on!(self, c => sqlx::query(DELETE_PRICE)
            .bind(code).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(deleted == 1)
    }
}

impl Store {
    /// Reads every package ever listed, by code.
    pub async fn esim_packages(&self) -> Result<Vec<EsimPackageRow>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ALL).fetch_all(c).await)?)
    }

    /// Reads every fixed price.
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
