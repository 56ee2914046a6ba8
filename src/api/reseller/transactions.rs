//! `GET ?endpoint=transactions`: the reseller's transfers, those that failed too, newest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::transfer::ResellerTransaction;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset};
use crate::store::transfers::TransferFilter;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// `success` or `failed`; both unless told.
    #[serde(default)]
    status: Option<String>,
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// How many of the newest are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    transactions: Vec<ResellerTransaction>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Transactions;

impl Endpoint for Transactions {
    const NAME: &'static str = "transactions";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Transfers to clients";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let filter = match query.status.as_deref() {
            None => TransferFilter::All,
            Some("success") => TransferFilter::Success,
            Some("failed") => TransferFilter::Failed,
            Some(_) => return Err(ApiError::bad_field("status", "it must be success or failed")),
        };
        let (limit, offset) = (query.limit.0, query.offset.0);
        let (rows, total) = call.services().store.transfers(call.account.id, filter, limit, offset).await?;
        Ok(Answer { transactions: rows.into_iter().map(Into::into).collect(), limit, offset, total })
    }
}
