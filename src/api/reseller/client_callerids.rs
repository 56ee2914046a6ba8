//! `GET ?endpoint=client-callerids`: the caller IDs of a client.

use super::fields::ShortClientPage;
use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::api::rows::CalleridRow;

pub(super) struct ClientCallerids;

impl List for ClientCallerids {
    type Row = CalleridRow;
    const KEY: &'static str = "callerids";
    const DESCRIPTION: &'static str = "Caller IDs of the client.";
}

impl Endpoint for ClientCallerids {
    const NAME: &'static str = "client-callerids";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's Caller IDs";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = ShortClientPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: ShortClientPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let (client, page) = (call.own_client(&query.login)?, query.page());
        let presented = client.settings().callerid.clone();
        let listed = callerids::list(call.services(), client.id, presented.as_deref()).await?;
        Ok(Paged::cut(listed, page, CalleridRow::from))
    }
}
