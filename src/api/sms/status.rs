//! `GET ?endpoint=status`: the status of a message.

use serde::Deserialize;
use utoipa::IntoParams;

use super::account::sender;
use super::message::MessageStatus;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, parse_id};
use crate::api::refusals::Refusal;

/// A message.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Id of the message, `sms_id`.
    #[param(value_type = i64)]
    id: String,
    /// Login of a reseller's client; required for a reseller's key.
    client_login: Option<String>,
}

pub(super) struct Status;

impl Endpoint for Status {
    const NAME: &'static str = "status";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Status of a message";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = MessageStatus;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<MessageStatus, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let id = parse_id("id", &wanted.id)?;
        let message = call.services().store.message(id, account.id).await?;
        let message = message.ok_or_else(|| ApiError::missing("id", "message"))?;
        Ok(MessageStatus::from(&message))
    }
}
