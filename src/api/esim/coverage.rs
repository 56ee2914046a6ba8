//! `GET ?endpoint=coverage`: countries and networks of a package.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::offer::check_offered;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;

/// A package.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Code of the package.
    package_code: String,
}

/// A mobile network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimNetwork {
    /// Operator.
    operator: String,
    /// Technology, such as `4G` or `5G`.
    #[serde(rename = "type")]
    kind: String,
}

/// A country with its networks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimCountry {
    /// Name of the country.
    country: String,
    /// ISO 3166 code; null where unknown.
    country_code: Option<String>,
    /// Its networks.
    networks: Vec<EsimNetwork>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Code of the package.
    package_code: String,
    /// Countries with their networks.
    coverage: Vec<EsimCountry>,
}

pub(super) struct Coverage;

impl Endpoint for Coverage {
    const NAME: &'static str = "coverage";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Countries and networks of a package";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "not_offered")];
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        check_offered(&call)?;
        let snapshot = call.api.esim.snapshot().await?;
        let package = snapshot.package(&query.package_code);
        let package = package.ok_or_else(|| ApiError::missing("package_code", "package"))?;
        let coverage = package.coverage.iter().map(|country| EsimCountry {
            country: country.name.clone(),
            country_code: country.code.clone(),
            networks: country
                .networks
                .iter()
                .map(|network| EsimNetwork { operator: network.operator.clone(), kind: network.kind.clone() })
                .collect(),
        });
        Ok(Answer { package_code: package.row.code.clone(), coverage: coverage.collect() })
    }
}
