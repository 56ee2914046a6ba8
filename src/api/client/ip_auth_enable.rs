//! `POST ?endpoint=ip-auth-enable`: enables a disabled IP authorization.

use serde::Serialize;
use utoipa::ToSchema;

use super::ip_auth_disable::{IpAuthState, Request, set_active};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// State of the authorization.
    data: IpAuthState,
}

pub(super) struct IpAuthEnable;

impl Endpoint for IpAuthEnable {
    const NAME: &'static str = "ip-auth-enable";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Enable IP authorization";
    const REFUSALS: &[Refusal] =
        &[(404, "not_found"), (409, "ip_in_use"), (409, "limit_reached"), (429, "too_many_attempts")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let data = set_active(&call, id, true).await?;
        Ok(Answer { message: "IP authentication enabled", data })
    }
}
