//! `POST ?endpoint=bulk`: one text to many, now or at a time.

use std::sync::Arc;
use std::time::Duration;

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
use crate::messaging::prepare::{Order, Rejected};
use crate::messaging::wall_time;

/// The largest body: as many numbers as there may be, with a text and room for spaces.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// A hundred thousand recipients are written in some seconds, on a slow disk in many.
const WRITING_PATIENCE: Duration = Duration::from_mins(3);

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// International numbers, at most 100,000.
    #[schema(example = json!(["+1234567890", "+1234567891"]))]
    phones: Vec<String>,
    #[schema(example = "API bulk test")]
    message: String,
    provider: Option<String>,
    sender_id: Option<String>,
    /// The server's local time, like `2026-05-09 23:00:00`; at once where none.
    scheduled_at: Option<String>,
    /// The login of a reseller's client, who sends and pays.
    client_login: Option<String>,
}

/// A recipient to whom none is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedRecipient {
    phone: String,
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    campaign_id: i64,
    recipients_queued: usize,
    status: &'static str,
    provider: String,
    sender_id: SenderId,
    scheduled_at: Option<String>,
    server_utc_offset: String,
    /// Numbers that were given again and get one message.
    duplicates: usize,
    /// To how many none is sent.
    recipients_rejected: usize,
    /// The first hundred of them.
    rejected: Vec<RejectedRecipient>,
    segments: u16,
    /// What is set aside for it.
    cost: D4,
}

pub(super) struct Bulk;

impl Endpoint for Bulk {
    const NAME: &'static str = "bulk";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Send a text to many";
    const CHANGES: Changes = Changes::Campaign;
    const IDEMPOTENT: bool = true;
    const MAX_BODY_BYTES: usize = MAX_BYTES;
    const PATIENCE: Duration = WRITING_PATIENCE;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let Request { phones, message, provider, sender_id, scheduled_at, client_login } = request;
        let account = active_sender(&call, client_login.as_deref())?;
        let messaging = &call.api.messaging;
        let now = call.services().clock.now();
        let at = scheduled_at.map(|text| wall_time::read(&text, messaging.zone(), now)).transpose()?;
        let order = Order { account: Arc::clone(&account), provider, sender_id, text: message };
        let prepared = messaging
            .prepare(order, &phones)
            .map_err(|error| call.order_refused(&account, "phones", &error))?;
        drop(phones);
        let rejected = |rejected: &Rejected| RejectedRecipient {
            phone: format!("+{}", rejected.number),
            reason: rejected.reason.clone(),
        };
        let id = messaging.new_id().await?;
        let answer = Answer {
            campaign_id: id,
            recipients_queued: prepared.recipient_count(),
            status: "QUEUED",
            provider: prepared.provider.name.clone(),
            sender_id: SenderId::of(prepared.sender_id.clone()),
            scheduled_at: at.map(|at| wall_time::write(at, messaging.zone())),
            server_utc_offset: wall_time::utc_offset(at.unwrap_or(now), messaging.zone()),
            duplicates: prepared.duplicates,
            recipients_rejected: prepared.rejected_count,
            rejected: prepared.rejected().iter().map(rejected).collect(),
            segments: prepared.counted.segments,
            cost: D4(prepared.cost),
        };
        let remembered = call.remember_answer(&answer)?;
        let queued = messaging.queue_campaign(&prepared, id, at, remembered.as_ref()).await;
        queued.map_err(|error| call.send_refused(&account, "phones", error))?;
        Ok(answer)
    }
}
