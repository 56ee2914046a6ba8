//! `GET ?endpoint=client-callerids`: the numbers that a client may present.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset, cut};
use crate::api::rows::CalleridRow;

/// Whose, and which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// The client.
    login: String,
    /// How many rows, at most 200.
    #[serde(default = "Limit::most")]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// How many of the first are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    callerids: Vec<CalleridRow>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct ClientCallerids;

impl Endpoint for ClientCallerids {
    const NAME: &'static str = "client-callerids";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Client's Caller IDs";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let Query { login, limit, offset } = query;
        let client = call.own_client(&login)?;
        let presented = client.settings().callerid.clone();
        let listed = callerids::list(call.services(), client.id, presented.as_deref()).await?;
        let (listed, total) = cut(listed, limit, offset);
        let callerids = listed.into_iter().map(CalleridRow::from).collect();
        Ok(Answer { callerids, limit: limit.0, offset: offset.0, total })
    }
}
