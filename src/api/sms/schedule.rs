//! `POST ?endpoint=schedule`: schedules a message.

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
use crate::messaging::wall_time;
use crate::store::messages::MessageState;

/// A message and its time.
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
    /// Local time of the server, like `2026-05-09 23:00:00`.
    scheduled_at: String,
    /// Login of a reseller's client, which sends and pays; required for a reseller's key.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Id of the scheduled message.
    scheduled_sms_id: i64,
    /// Provider.
    provider: String,
    /// Always `SCHEDULED`.
    status: &'static str,
    /// Offset of the server's local time from UTC.
    server_utc_offset: String,
    /// Local time of the server.
    scheduled_at: String,
    /// The requested sender.
    sender_id: SenderId,
    /// Number of segments.
    segments: u16,
    /// Held amount.
    cost: D4,
}

pub(super) struct Schedule;

impl Endpoint for Schedule {
    const NAME: &'static str = "schedule";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Schedule a message";
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
        (422, "too_large"),
        (422, "unavailable"),
        (429, "too_many_changes"),
        (429, "too_many_unsent"),
    ];
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
