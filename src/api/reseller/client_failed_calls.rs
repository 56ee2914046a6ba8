//! `GET ?endpoint=client-failed-calls`: a client's calls that nobody answered, the newest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset};
use crate::api::rows::FailedCallRow;
use crate::store::history::Which;

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
    calls: Vec<FailedCallRow<Num>>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct ClientFailedCalls;

impl Endpoint for ClientFailedCalls {
    const NAME: &'static str = "client-failed-calls";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Client's failed calls";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let Query { login, limit, offset } = query;
        let client = call.own_client(&login)?;
        let store = &call.services().store;
        let (calls, total) = store.calls_of(client.id, Which::Unanswered, limit.0, offset.0).await?;
        let calls = calls.into_iter().map(FailedCallRow::from).collect();
        Ok(Answer { calls, limit: limit.0, offset: offset.0, total })
    }
}
