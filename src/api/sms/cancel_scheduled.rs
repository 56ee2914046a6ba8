//! `POST ?endpoint=cancel-scheduled`: cancels a scheduled message and releases its hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::messaging::CancelError;
use crate::store::messages::MessageState;

/// The message to cancel.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Id of the scheduled message.
    scheduled_sms_id: i64,
    /// Login of a reseller's client; required for a reseller's key.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Id of the message.
    scheduled_sms_id: i64,
    /// Always `CANCELLED`.
    status: &'static str,
}

pub(super) struct CancelScheduled;

impl Endpoint for CancelScheduled {
    const NAME: &'static str = "cancel-scheduled";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Cancel a scheduled message";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (409, "too_late")];
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
