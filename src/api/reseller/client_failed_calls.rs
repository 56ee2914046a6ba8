//! `GET ?endpoint=client-failed-calls`: the unanswered calls of a client, newest first.

use std::borrow::Cow;

use super::fields::ClientPage;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::api::rows::FailedCallRow;
use crate::store::history::Which;

pub(super) struct ClientFailedCalls;

impl List for ClientFailedCalls {
    type Row = FailedCallRow<Num>;
    const KEY: &'static str = "calls";
    const DESCRIPTION: &'static str = "Unanswered calls, newest first.";

    fn row_name() -> Cow<'static, str> {
        "FailedCallRow_Num".into()
    }
}

impl Endpoint for ClientFailedCalls {
    const NAME: &'static str = "client-failed-calls";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's unanswered calls";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = ClientPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: ClientPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let (client, page) = (call.own_client(&query.login)?, query.page());
        let store = &call.services().store;
        let (calls, total) =
            store.calls_of(client.id, Which::Unanswered, page.limit.0, page.offset.0).await?;
        Ok(Paged::new(calls, page, total))
    }
}
