//! `GET ?endpoint=transactions`: the transfers of the reseller, failed ones included, newest first.

use serde::Deserialize;
use utoipa::IntoParams;

use super::transfer::ResellerTransaction;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::store::transfers::TransferFilter;

/// A page of the transfers, filtered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// `success` or `failed`; both where absent.
    #[serde(default)]
    status: Option<String>,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

pub(super) struct Transactions;

/// Reads the filter by status.
fn filter_by(status: Option<&str>) -> Result<TransferFilter, ApiError> {
    match status {
        None => Ok(TransferFilter::All),
        Some("success") => Ok(TransferFilter::Success),
        Some("failed") => Ok(TransferFilter::Failed),
        Some(_) => Err(ApiError::bad_field("status", "it must be success or failed")),
    }
}

impl List for Transactions {
    type Row = ResellerTransaction;
    const KEY: &'static str = "transactions";
    const DESCRIPTION: &'static str = "Transfers, newest first.";
}

impl Endpoint for Transactions {
    const NAME: &'static str = "transactions";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List transfers to clients";
    type Query = Query;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let filter = filter_by(query.status.as_deref())?;
        let page = Page::new(query.limit, query.offset);
        let store = &call.services().store;
        let (rows, total) = store.transfers(call.account.id, filter, page.limit.0, page.offset.0).await?;
        Ok(Paged::new(rows, page, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_are_filtered_by_known_statuses_only() {
        assert!(matches!(filter_by(None), Ok(TransferFilter::All)));
        assert!(matches!(filter_by(Some("success")), Ok(TransferFilter::Success)));
        assert!(matches!(filter_by(Some("failed")), Ok(TransferFilter::Failed)));
        assert_eq!(filter_by(Some("")).unwrap_err().field.as_deref(), Some("status"));
    }
}
