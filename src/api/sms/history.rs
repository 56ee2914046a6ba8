//! `GET ?endpoint=history`: all messages of an account, newest first.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::account::sender;
use super::message::MessageStatus;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::api::refusals::Refusal;

/// A page of a list of an account.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Login of a reseller's client; required for a reseller's key.
    pub(super) client_login: Option<String>,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

impl Wanted {
    pub(super) const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
}

/// A message with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentMessage {
    #[serde(flatten)]
    status: MessageStatus,
    /// Requested sender id; null where none was requested.
    sender_id: Option<String>,
    /// Text of the message.
    message: String,
}

pub(super) struct History;

impl List for History {
    type Row = SentMessage;
    const KEY: &'static str = "messages";
    const DESCRIPTION: &'static str = "Messages, newest first.";
}

impl Endpoint for History {
    const NAME: &'static str = "history";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Message history";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let page = wanted.page();
        let store = &call.services().store;
        let (rows, total) = store.message_history(account.id, page.limit.0, page.offset.0).await?;
        let messages = rows.into_iter().map(|message| SentMessage {
            status: MessageStatus::from(&message),
            sender_id: message.sender_id,
            message: message.body,
        });
        Ok(Paged::new(messages, page, total))
    }
}
