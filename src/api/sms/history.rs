//! `GET ?endpoint=history`: messages that were to be sent, the newest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shown::MessageStatus;
use super::whose::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, NoBody, Offset};

/// Whose, and which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The login of a reseller's client.
    pub(super) client_login: Option<String>,
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    pub(super) limit: Limit,
    /// How many of the newest are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub(super) offset: Offset,
}

/// A message with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentMessage {
    #[serde(flatten)]
    status: MessageStatus,
    sender_id: Option<String>,
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    messages: Vec<SentMessage>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct History;

impl Endpoint for History {
    const NAME: &'static str = "history";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Messages of before";
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let (limit, offset) = (wanted.limit.0, wanted.offset.0);
        let (rows, total) = call.services().store.message_history(account.id, limit, offset).await?;
        let messages = rows.into_iter().map(|message| SentMessage {
            status: MessageStatus::from(&message),
            sender_id: message.sender_id,
            message: message.body,
        });
        Ok(Answer { messages: messages.collect(), limit, offset, total })
    }
}
