//! `GET ?endpoint=calls`: the calls of the account, answered and unanswered, newest first.

use std::borrow::Cow;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, Page};
use crate::api::rows::CallRow;
use crate::store::history::Which;

pub(super) struct Calls;

impl List for Calls {
    type Row = CallRow<D4>;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "Calls, newest first.";

    fn row_name() -> Cow<'static, str> {
        "CallRow_D4".into()
    }
}

impl Endpoint for Calls {
    const NAME: &'static str = "calls";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Call history";
    type Query = Page;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let Page { limit, offset } = page;
        let store = &call.services().store;
        let (calls, total) = store.calls_of(call.account.id, Which::All, limit.0, offset.0).await?;
        Ok(Paged::new(calls, page, total))
    }
}
