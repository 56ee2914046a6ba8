//! `POST ?endpoint=cancel-campaign`: what is not sent of a campaign is called back, and its cost given back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::whose::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::messaging::CancelError;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    campaign_id: i64,
    /// The login of a reseller's client.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    campaign_id: i64,
    status: &'static str,
    recipients_cancelled: i64,
}

pub(super) struct CancelCampaign;

impl Endpoint for CancelCampaign {
    const NAME: &'static str = "cancel-campaign";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Cancel a text to many";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let Request { campaign_id, client_login } = request;
        let account = sender(&call, client_login.as_deref())?;
        match call.api.messaging.cancel_campaign(account.id, campaign_id).await {
            Ok(done) => {
                Ok(Answer { campaign_id, status: "CANCELLED", recipients_cancelled: done.recipients })
            }
            Err(CancelError::Unknown) => Err(ApiError::missing("campaign_id", "campaign")),
            Err(error) => Err(error.into()),
        }
    }
}
