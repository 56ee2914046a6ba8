//! `GET ?endpoint=refills`: the money that came into the account, the newest first.

use super::list::ClientList;
use crate::api::amount::D4;
use crate::api::endpoint::{Call, Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};
use crate::api::rows::RefillRow;

pub(super) struct Refills;

impl Endpoint for Refills {
    const NAME: &'static str = "refills";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Refill history";
    type Query = Page;
    type Body = NoBody;
    type Answer = ClientList<RefillRow<D4>>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Self::Answer, ApiError> {
        let Page { limit, offset } = page;
        let (refills, total) = call.desk().store.refills_of(call.account.id, limit.0, offset.0).await?;
        Ok(ClientList::of(refills.into_iter().map(RefillRow::from).collect(), limit, offset, total))
    }
}
