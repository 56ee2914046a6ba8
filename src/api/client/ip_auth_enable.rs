//! `POST ?endpoint=ip-auth-enable`: a disabled address speaks for its SIP account again.

use serde::Serialize;
use utoipa::ToSchema;

use super::ip_auth_disable::{Request, SwitchedIpAuth, switch};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: SwitchedIpAuth,
}

pub(super) struct IpAuthEnable;

impl Endpoint for IpAuthEnable {
    const NAME: &'static str = "ip-auth-enable";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Enable IP authorization";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let data = switch(&call, id, true).await?;
        Ok(Answer { message: "IP authentication enabled", data })
    }
}
