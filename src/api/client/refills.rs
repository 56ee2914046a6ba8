//! `GET ?endpoint=refills`: the refills of the account, newest first.

use std::borrow::Cow;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, Page};
use crate::api::rows::RefillRow;

pub(super) struct Refills;

impl List for Refills {
    type Row = RefillRow<D4>;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "Refills, newest first.";

    fn row_name() -> Cow<'static, str> {
        "RefillRow_D4".into()
    }
}

impl Endpoint for Refills {
    const NAME: &'static str = "refills";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Refill history";
    type Query = Page;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let Page { limit, offset } = page;
        let (refills, total) = call.services().store.refills_of(call.account.id, limit.0, offset.0).await?;
        Ok(Paged::new(refills, page, total))
    }
}
