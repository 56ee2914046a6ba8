//! `POST ?endpoint=ip-auth-delete`: an authorization is removed for ever.

use serde::Serialize;
use utoipa::ToSchema;

use super::ip_auth_disable::{Request, sip_login_of};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::peers::claims;

/// The authorization that is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedIpAuth {
    id: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: DeletedIpAuth,
}

pub(super) struct IpAuthDelete;

impl Endpoint for IpAuthDelete {
    const NAME: &'static str = "ip-auth-delete";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Delete IP authorization";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let sip_login = sip_login_of(&call, id).await?;
        claims::delete_address(call.services(), &sip_login, &id.to_string()).await?;
        Ok(Answer { message: "IP authentication deleted", data: DeletedIpAuth { id } })
    }
}
