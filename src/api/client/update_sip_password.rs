//! `POST ?endpoint=update-sip-password`: changes the password of a SIP account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::ops;

/// A SIP account and its new password.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// SIP login.
    name: String,
    /// New SIP password.
    password: String,
}

/// A SIP account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NamedSip {
    /// SIP login.
    pub(super) name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The SIP account.
    data: NamedSip,
}

pub(super) struct UpdateSipPassword;

impl Endpoint for UpdateSipPassword {
    const NAME: &'static str = "update-sip-password";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change SIP password";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { name, password }: Request) -> Result<Answer, ApiError> {
        ops::set_password(call.services(), &call.account.login, &name, Some(password)).await?;
        Ok(Answer { message: "SIP password changed", data: NamedSip { name } })
    }
}
