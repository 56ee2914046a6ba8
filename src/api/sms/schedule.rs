//! `POST ?endpoint=schedule`: a message is sent at a time.

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
use crate::messaging::wall_time;
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
    /// The server's local time, like `2026-05-09 23:00:00`.
    scheduled_at: String,
    /// The login of a reseller's client, who sends and pays.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    scheduled_sms_id: i64,
    provider: String,
    status: &'static str,
    /// How far the server's clock is ahead of UTC at that time.
    server_utc_offset: String,
    scheduled_at: String,
    sender_id: SenderId,
    segments: u16,
    /// What is set aside for it.
    cost: D4,
}

pub(super) struct Schedule;

impl Endpoint for Schedule {
    const NAME: &'static str = "schedule";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Send a message at a time";
    const CHANGES: Changes = Changes::Nothing;
    const IDEMPOTENT: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let Request { phone, message, provider, sender_id, scheduled_at, client_login } = request;
        let account = active_sender(&call, client_login.as_deref())?;
        let messaging = &call.api.messaging;
        let at = wall_time::read(&scheduled_at, messaging.zone(), call.services().clock.now())?;
        let order = Order { account: Arc::clone(&account), provider, sender_id, text: message };
        let prepared = messaging
            .prepare(order, &[phone])
            .map_err(|error| call.order_refused(&account, "phone", &error))?;
        if prepared.is_free() {
            // Its row is not paid for.
            call.charge_change(Changes::Something)?;
        }
        let id = messaging.new_id().await?;
        let answer = Answer {
            scheduled_sms_id: id,
            provider: prepared.provider.name.clone(),
            status: MessageState::Scheduled.shown(),
            server_utc_offset: wall_time::utc_offset(at, messaging.zone()),
            scheduled_at: wall_time::write(at, messaging.zone()),
            sender_id: SenderId::of(prepared.sender_id.clone()),
            segments: prepared.counted.segments,
            cost: D4(prepared.cost),
        };
        let remembered = call.remember_answer(&answer)?;
        let written = messaging.schedule(&prepared, id, at, remembered.as_ref()).await;
        written.map_err(|error| call.send_refused(&account, "phone", error))?;
        Ok(answer)
    }
}
