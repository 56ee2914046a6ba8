//! `POST ?endpoint=cancel-scheduled`: a message that waits for its time is called back, and its cost given back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::whose::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::messaging::CancelError;
use crate::store::messages::MessageState;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    scheduled_sms_id: i64,
    /// The login of a reseller's client.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    scheduled_sms_id: i64,
    status: &'static str,
}

pub(super) struct CancelScheduled;

impl Endpoint for CancelScheduled {
    const NAME: &'static str = "cancel-scheduled";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Cancel a scheduled message";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let Request { scheduled_sms_id, client_login } = request;
        let account = sender(&call, client_login.as_deref())?;
        match call.api.messaging.cancel_scheduled(&account, scheduled_sms_id).await {
            Ok(()) => Ok(Answer { scheduled_sms_id, status: MessageState::Cancelled.shown() }),
            Err(CancelError::Unknown) => Err(ApiError::missing("scheduled_sms_id", "scheduled message")),
            Err(error) => Err(error.into()),
        }
    }
}
