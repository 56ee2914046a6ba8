//! `GET ?endpoint=refills`: the money that came into the account, the newest first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};
use crate::api::rows::RefillRow;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<RefillRow<D4>>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Refills;

impl Endpoint for Refills {
    const NAME: &'static str = "refills";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Refill history";
    type Query = Page;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Answer, ApiError> {
        let Page { limit, offset } = page;
        let (refills, total) = call.services().store.refills_of(call.account.id, limit.0, offset.0).await?;
        let data = refills.into_iter().map(RefillRow::from).collect();
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}
