//! `GET ?endpoint=packages`: the packages on sale with their prices, cheapest first.

use serde::{Deserialize, Serialize};
use tollgate_rating::Money;
use utoipa::{IntoParams, ToSchema};

use super::offer::{check_offered, rates};
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::api::refusals::Refusal;
use crate::esim::catalogue::Package;
use crate::esim::markups;
use crate::esim::price::Buyer;

/// Longest search, in characters.
const MAX_QUERY_CHARS: usize = 100;

/// A page of the packages, searched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Words that must all be in the name, code or countries of a package; country codes count as words.
    #[serde(default)]
    #[param(max_length = 100)]
    q: String,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// A package on sale.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimPackage {
    /// Code of the package.
    package_code: String,
    /// Name of the package.
    name: String,
    /// Price.
    price: D4,
    /// Currency of the price, ISO 4217.
    currency: String,
    /// Data volume, in bytes.
    volume_bytes: i64,
    /// Validity, in `duration_unit`.
    duration: i64,
    /// Unit of the validity.
    duration_unit: String,
    /// ISO 3166 codes of the countries.
    locations: Vec<String>,
}

fn check_search(q: &str) -> Result<(), ApiError> {
    if q.chars().count() > MAX_QUERY_CHARS {
        return Err(ApiError::bad_field("q", format!("at most {MAX_QUERY_CHARS} characters")));
    }
    Ok(())
}

pub(super) struct Packages;

impl List for Packages {
    type Row = EsimPackage;
    const KEY: &'static str = "packages";
    const DESCRIPTION: &'static str = "Packages, cheapest first.";
}

impl Endpoint for Packages {
    const NAME: &'static str = "packages";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Data packages and current prices";
    const IS_COSTLY: bool = true;
    const REFUSALS: &[Refusal] = &[(422, "not_offered")];
    type Query = Query;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Paged<Self>, ApiError> {
        check_offered(&call)?;
        check_search(&query.q)?;
        let services = call.services();
        let snapshot = call.api.esim.snapshot().await?;
        let rates = rates(&call).await?;
        let found = snapshot.search(&query.q, Buyer::of(&call.account), &rates, markups(&services.config));
        let row = |(package, price): (&Package, Money)| EsimPackage {
            package_code: package.row.code.clone(),
            name: package.row.name.clone(),
            price: D4(price),
            currency: services.currency().to_owned(),
            volume_bytes: package.row.volume_bytes,
            duration: package.row.duration,
            duration_unit: package.row.duration_unit.clone(),
            locations: package.locations.clone(),
        };
        Ok(Paged::cut(found, Page::new(query.limit, query.offset), row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_at_most_100_characters() {
        assert!(check_search(&"é".repeat(100)).is_ok());
        assert_eq!(check_search(&"é".repeat(101)).unwrap_err().field.as_deref(), Some("q"));
    }
}
