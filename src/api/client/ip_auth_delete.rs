//! `POST ?endpoint=ip-auth-delete`: deletes an IP authorization.

use serde::Serialize;
use utoipa::ToSchema;

use super::ip_auth_disable::{Request, sip_login_of};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::claims;

/// The deleted authorization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedIpAuth {
    /// Id of the authorization.
    id: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The deleted authorization.
    data: DeletedIpAuth,
}

pub(super) struct IpAuthDelete;

impl Endpoint for IpAuthDelete {
    const NAME: &'static str = "ip-auth-delete";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Delete IP authorization";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let sip_login = sip_login_of(&call, id).await?;
        claims::delete_address(call.services(), &sip_login, &id.to_string()).await?;
        Ok(Answer { message: "IP authentication deleted", data: DeletedIpAuth { id } })
    }
}
