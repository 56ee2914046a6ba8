//! `POST ?endpoint=create-sip`: creates an additional SIP account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::ops;

/// A SIP account to create.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// SIP password; a random one where absent.
    #[serde(default)]
    password: Option<String>,
}

/// The created SIP account.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedSip {
    /// SIP login.
    name: String,
    /// SIP password.
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The created SIP account.
    data: CreatedSip,
}

pub(super) struct CreateSip;

impl Endpoint for CreateSip {
    const NAME: &'static str = "create-sip";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Create additional SIP account";
    const REFUSALS: &[Refusal] = &[(409, "limit_reached")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { password }: Request) -> Result<Answer, ApiError> {
        let made = ops::create(call.services(), &call.account.login, password).await?;
        let data = CreatedSip { name: made.peer.name, password: made.password };
        Ok(Answer { message: "SIP account created", data })
    }
}
