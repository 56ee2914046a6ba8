//! `GET ?endpoint=status`: where a message is.

use serde::Deserialize;
use utoipa::IntoParams;

use super::shown::MessageStatus;
use super::whose::sender;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;

/// Which message.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Its `sms_id`.
    #[param(value_type = i64)]
    id: String,
    /// The login of a reseller's client.
    client_login: Option<String>,
}

pub(super) struct Status;

impl Endpoint for Status {
    const NAME: &'static str = "status";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Where a message is";
    type Query = Wanted;
    type Body = NoBody;
    type Answer = MessageStatus;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<MessageStatus, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let id = wanted.id.parse().map_err(|_| ApiError::bad_field("id", "a whole number is needed"))?;
        let message = call.services().store.message(id, account.id).await?;
        let message = message.ok_or_else(|| ApiError::missing("id", "message"))?;
        Ok(MessageStatus::from(&message))
    }
}
