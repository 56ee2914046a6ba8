//! `POST ?endpoint=send`: a message is sent now.

use serde::{Deserialize, Serialize};
use tollgate_rating::Money;
use utoipa::ToSchema;

use super::shown::SenderId;
use super::whose::active_sender;
use crate::api::amount::D4;
use crate::api::changes::Changes;
use crate::api::endpoint::{Call, Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::messaging::order::{self, Order};
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
        let refused = |error| call.order_refused(&account, "phone", &error);
        let number = order::number(&phone).map_err(refused)?;
        let messaging = &call.api.messaging;
        let order = Order { account: account.clone(), provider, sender_id, text: message };
        let draft = messaging.draft(order).map_err(refused)?;
        let priced = messaging.price(&draft, number).map_err(refused)?;
        let cost = priced.retail();
        if cost == Money::ZERO {
            // Its row is not paid for.
            call.takes(Changes::Something)?;
        }
        let answer = |sms_id, status, balance| Answer {
            sms_id,
            provider: draft.provider.name.clone(),
            provider_name: draft.provider.title.clone(),
            status,
            balance_after: D4(balance),
            sender_id: SenderId::of(draft.sender_id.clone()),
            segments: draft.counted.segments,
            cost: D4(cost),
        };
        let id = messaging.new_id().await?;
        let balance = || account.wallet.snapshot().balance;
        // What the same request gets that comes again before this one is answered.
        let paid = balance().checked_sub(cost).unwrap_or(Money::ZERO);
        let remembered = call.remembered(&answer(id, MessageState::Queued.shown(), paid))?;
        let sent = messaging.send(&draft, (number, priced), id, remembered.as_ref()).await;
        let ended = sent.map_err(|error| call.send_refused(&account, "phone", error))?;
        if ended.state == MessageState::Rejected {
            // Nothing was sent and nothing charged: the same request may be sent again.
            call.forget_answer().await?;
            let reason = ended.failure.unwrap_or_default();
            return Err(ApiError::refused("provider_refused", format!("the provider refused it: {reason}")));
        }
        // What is held for one that still waits is as good as spent.
        let is_charged = ended.state != MessageState::Queued;
        let left = if is_charged { Some(balance()) } else { balance().checked_sub(cost) };
        let answer = answer(id, ended.state.shown(), left.unwrap_or(Money::ZERO));
        call.remember_instead(&answer).await?;
        Ok(answer)
    }
}
