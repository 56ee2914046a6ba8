//! `POST ?endpoint=delete-sip`: a further SIP account is removed, and its IP authorizations with it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::update_sip_password::NamedSip;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::peers::ops;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: NamedSip,
}

pub(super) struct DeleteSip;

impl Endpoint for DeleteSip {
    const NAME: &'static str = "delete-sip";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Delete SIP account";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { name }: Request) -> Result<Answer, ApiError> {
        ops::delete(call.services(), &call.account.login, &name).await?;
        Ok(Answer { message: "SIP account deleted", data: NamedSip { name } })
    }
}
