//! `GET ?endpoint=calls`: the account's calls, answered and not, the newest first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};
use crate::api::rows::CallRow;
use crate::store::history::Which;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<CallRow<D4>>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Calls;

impl Endpoint for Calls {
    const NAME: &'static str = "calls";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Call history";
    type Query = Page;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Answer, ApiError> {
        let Page { limit, offset } = page;
        let store = &call.services().store;
        let (calls, total) = store.calls_of(call.account.id, Which::All, limit.0, offset.0).await?;
        let data = calls.into_iter().map(CallRow::from).collect();
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}
