//! `POST ?endpoint=set-callerid`: the next call presents this number.

use serde::Deserialize;
use utoipa::ToSchema;

use super::done::DoneAnswer;
use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    cid: String,
}

pub(super) struct SetCallerid;

impl Endpoint for SetCallerid {
    const NAME: &'static str = "set-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Set existing Caller ID as active";
    type Query = NoQuery;
    type Body = Request;
    type Answer = DoneAnswer;

    async fn handle(call: Call, _: NoQuery, Request { cid }: Request) -> Result<DoneAnswer, ApiError> {
        callerids::activate(call.services(), call.account.id, &cid).await?;
        Ok(DoneAnswer { message: "Caller ID set" })
    }
}
