//! `GET ?endpoint=packages`: what can be bought, for how much, the cheapest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::offer::{check_offered, rates};
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset, cut};
use crate::esim::markups;
use crate::esim::price::Buyer;

/// The longest search.
const MAX_QUERY_CHARS: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Words that must all be in a package's name, code or countries; a country's code is one too.
    #[serde(default)]
    #[param(max_length = 100)]
    q: String,
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// How many of the first are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// A package as it is sold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimPackage {
    package_code: String,
    name: String,
    price: D4,
    currency: String,
    volume_bytes: i64,
    duration: i64,
    duration_unit: String,
    /// ISO 3166 codes.
    locations: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    packages: Vec<EsimPackage>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Packages;

impl Endpoint for Packages {
    const NAME: &'static str = "packages";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Data packages and current prices";
    const IS_COSTLY: bool = true;
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        check_offered(&call)?;
        if query.q.chars().count() > MAX_QUERY_CHARS {
            return Err(ApiError::bad_field("q", format!("at most {MAX_QUERY_CHARS} characters")));
        }
        let services = call.services();
        let snapshot = services.esim.snapshot(&services.store).await?;
        let rates = rates(&call).await?;
        let found = snapshot.search(&query.q, Buyer::of(&call.account), &rates, markups(&services.config));
        let (rows, total) = cut(found, query.limit, query.offset);
        let packages = rows
            .into_iter()
            .map(|(package, price)| EsimPackage {
                package_code: package.row.code.clone(),
                name: package.row.name.clone(),
                price: D4(price),
                currency: services.currency().to_owned(),
                volume_bytes: package.row.volume_bytes,
                duration: package.row.duration,
                duration_unit: package.row.duration_unit.clone(),
                locations: package.locations.clone(),
            })
            .collect();
        Ok(Answer { packages, limit: query.limit.0, offset: query.offset.0, total })
    }
}
