//! `POST ?endpoint=cancel-campaign`: cancels the unsent messages of a campaign and releases their hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::messaging::CancelError;

/// The campaign to cancel.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Id of the campaign.
    campaign_id: i64,
    /// Login of a reseller's client; required for a reseller's key.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Id of the campaign.
    campaign_id: i64,
    /// Always `CANCELLED`.
    status: &'static str,
    /// Number of cancelled messages.
    recipients_cancelled: i64,
}

pub(super) struct CancelCampaign;

impl Endpoint for CancelCampaign {
    const NAME: &'static str = "cancel-campaign";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Cancel a campaign";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (409, "too_late")];
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
