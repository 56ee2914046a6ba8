//! `GET ?endpoint=client-refills`: the money that came into a client's account, the newest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset};
use crate::api::rows::RefillRow;

/// Whose, and which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// The client.
    login: String,
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// How many of the first are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    refills: Vec<RefillRow<Num>>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct ClientRefills;

impl Endpoint for ClientRefills {
    const NAME: &'static str = "client-refills";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Client's refill history";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let Query { login, limit, offset } = query;
        let client = call.own_client(&login)?;
        let (refills, total) = call.services().store.refills_of(client.id, limit.0, offset.0).await?;
        let refills = refills.into_iter().map(RefillRow::from).collect();
        Ok(Answer { refills, limit: limit.0, offset: offset.0, total })
    }
}
