//! `GET ?endpoint=client-refills`: the refills of a client, newest first.

use std::borrow::Cow;

use super::fields::ClientPage;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::api::rows::RefillRow;

pub(super) struct ClientRefills;

impl List for ClientRefills {
    type Row = RefillRow<Num>;
    const KEY: &'static str = "refills";
    const DESCRIPTION: &'static str = "Refills, newest first.";

    fn row_name() -> Cow<'static, str> {
        "RefillRow_Num".into()
    }
}

impl Endpoint for ClientRefills {
    const NAME: &'static str = "client-refills";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's refills";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = ClientPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: ClientPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let (client, page) = (call.own_client(&query.login)?, query.page());
        let (refills, total) =
            call.services().store.refills_of(client.id, page.limit.0, page.offset.0).await?;
        Ok(Paged::new(refills, page, total))
    }
}
