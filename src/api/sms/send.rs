//! `POST ?endpoint=send`: sends a message now.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::active_sender;
use super::message::SenderId;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::messaging::prepare::Order;
use crate::store::messages::MessageState;

/// A message.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// International number, like `+447575396991`.
    #[schema(example = "+447575396991")]
    phone: String,
    /// Text of the message.
    #[schema(example = "MyBrand: Your code is 123456")]
    message: String,
    /// Provider; the default one where absent.
    provider: Option<String>,
    /// Requested sender id.
    sender_id: Option<String>,
    /// Login of a reseller's client, which sends and pays; required for a reseller's key.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Id of the message.
    sms_id: i64,
    /// Provider.
    provider: String,
    /// Name of the provider for people.
    provider_name: String,
    /// `SENT_TO_PROVIDER`; `QUEUED` while it waits for the provider or for its answer; `UNKNOWN` where the submission is in
    /// doubt.
    status: &'static str,
    /// Balance after the charge or the hold.
    balance_after: D4,
    /// The requested sender.
    sender_id: SenderId,
    /// Number of segments.
    segments: u16,
    /// Charge or held amount.
    cost: D4,
}

pub(super) struct Send;

impl Endpoint for Send {
    const NAME: &'static str = "send";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Send a message";
    const CHANGES: Changes = Changes::Nothing;
    const IDEMPOTENT: bool = true;
    const REFUSALS: &[Refusal] = &[
        (402, "no_credit"),
        (402, "no_wholesale_credit"),
        (404, "not_found"),
        (422, "blocked"),
        (422, "daily_limit"),
        (422, "inactive"),
        (422, "no_prices"),
        (422, "no_providers"),
        (422, "no_rate"),
        (422, "provider_refused"),
        (422, "too_large"),
        (422, "unavailable"),
        (429, "too_many_changes"),
        (429, "too_many_unsent"),
    ];
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
        // The answer to a repetition that arrives before this request has its own.
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
