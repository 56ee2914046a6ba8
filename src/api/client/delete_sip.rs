//! `POST ?endpoint=delete-sip`: deletes an additional SIP account with its IP authorizations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::update_sip_password::NamedSip;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::ops;

/// The SIP account to delete.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// SIP login.
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The deleted SIP account.
    data: NamedSip,
}

pub(super) struct DeleteSip;

impl Endpoint for DeleteSip {
    const NAME: &'static str = "delete-sip";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Delete SIP account";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "main_sip_account")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { name }: Request) -> Result<Answer, ApiError> {
        ops::delete(call.services(), &call.account.login, &name).await?;
        Ok(Answer { message: "SIP account deleted", data: NamedSip { name } })
    }
}
