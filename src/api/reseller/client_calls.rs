//! `GET ?endpoint=client-calls`: the answered calls of a client at its retail prices, newest first.

use std::borrow::Cow;

use super::fields::ClientPage;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::api::rows::CallRow;
use crate::store::history::Which;

pub(super) struct ClientCalls;

impl List for ClientCalls {
    type Row = CallRow<Num>;
    const KEY: &'static str = "calls";
    const DESCRIPTION: &'static str = "Answered calls, newest first.";

    fn row_name() -> Cow<'static, str> {
        "CallRow_Num".into()
    }
}

impl Endpoint for ClientCalls {
    const NAME: &'static str = "client-calls";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's answered calls";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = ClientPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: ClientPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let (client, page) = (call.own_client(&query.login)?, query.page());
        let store = &call.services().store;
        let (calls, total) = store.calls_of(client.id, Which::Answered, page.limit.0, page.offset.0).await?;
        Ok(Paged::new(calls, page, total))
    }
}
