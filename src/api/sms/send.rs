//! `POST ?endpoint=send`: a message is sent now.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shown::SenderId;
use super::whose::active_sender;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::messaging::prepare::Order;
use crate::store::messages::MessageState;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// An international number, like `+447575396991`.
    #[schema(example = "+447575396991")]
    phone: String,
    #[schema(example = "MyBrand: Your code is 123456")]
    message: String,
    provider: Option<String>,
    sender_id: Option<String>,
    /// The login of a reseller's client, who sends and pays.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    sms_id: i64,
    provider: String,
    provider_name: String,
    /// `SENT_TO_PROVIDER`; `QUEUED` where it waits for the provider or for the provider's answer; `UNKNOWN` where the
    /// provider may have it and does not say.
    status: &'static str,
    balance_after: D4,
    sender_id: SenderId,
    segments: u16,
    cost: D4,
}

pub(super) struct Send;

impl Endpoint for Send {
    const NAME: &'static str = "send";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Send a message";
    const CHANGES: Changes = Changes::Nothing;
    const IDEMPOTENT: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let Request { phone, message, provider, sender_id, client_login } = request;
        let account = active_sender(&call, client_login.as_deref())?;
        let messaging = &call.api.messaging;
        let order = Order { account: Arc::clone(&account), provider, sender_id, text: message };
        let prepared = messaging
            .prepare(order, &[phone])
            .map_err(|error| call.order_refused(&account, "phone", &error))?;
        if prepared.is_free() {
            // Its row is not paid for.
            call.charge_change(Changes::Something)?;
        }
        let answer = |sms_id, status, balance| Answer {
            sms_id,
            provider: prepared.provider.name.clone(),
            provider_name: prepared.provider.title.clone(),
            status,
            balance_after: D4(balance),
            sender_id: SenderId::of(prepared.sender_id.clone()),
            segments: prepared.counted.segments,
            cost: D4(prepared.cost),
        };
        let id = messaging.new_id().await?;
        // The answer to the same request if it comes again before this one is answered.
        let remembered =
            call.remember_answer(&answer(id, MessageState::Queued.shown(), prepared.balance_after()))?;
        let sent = messaging.send(&prepared, id, remembered.as_ref()).await;
        let sent = sent.map_err(|error| call.send_refused(&account, "phone", error))?;
        if sent.state == MessageState::Rejected {
            // Nothing was sent and nothing charged: the same request may be sent again.
            call.forget_answer().await?;
            let reason = sent.failure.unwrap_or_default();
            return Err(ApiError::refused("provider_refused", format!("the provider refused it: {reason}")));
        }
        let answer = answer(id, sent.state.shown(), sent.balance_after);
        call.replace_answer(&answer).await?;
        Ok(answer)
    }
}
