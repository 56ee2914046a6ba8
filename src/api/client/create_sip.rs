//! `POST ?endpoint=create-sip`: a further SIP account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::peers::ops;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// One is made where none is given.
    #[serde(default)]
    password: Option<String>,
}

/// The SIP account that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedSip {
    name: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: CreatedSip,
}

pub(super) struct CreateSip;

impl Endpoint for CreateSip {
    const NAME: &'static str = "create-sip";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Create additional SIP account";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { password }: Request) -> Result<Answer, ApiError> {
        let made = ops::create(call.services(), &call.account.login, password).await?;
        let data = CreatedSip { name: made.peer.name, password: made.password };
        Ok(Answer { message: "SIP account created", data })
    }
}
