//! `POST ?endpoint=bulk`: sends a text to many recipients, now or at a time.

use std::sync::Arc;
use std::time::Duration;

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
use crate::messaging::prepare::{Order, Rejected};
use crate::messaging::wall_time;

/// Largest body: the maximum number of recipients, a text and spaces.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Writing a hundred thousand recipients takes seconds, on a slow disk many.
const WRITING_PATIENCE: Duration = Duration::from_mins(3);

/// A campaign.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// International numbers, at most 100,000.
    #[schema(example = json!(["+1234567890", "+1234567891"]))]
    phones: Vec<String>,
    /// Text of the message.
    #[schema(example = "API bulk test")]
    message: String,
    /// Provider; the default one where absent.
    provider: Option<String>,
    /// Requested sender id.
    sender_id: Option<String>,
    /// Local time of the server, like `2026-05-09 23:00:00`; now where absent.
    scheduled_at: Option<String>,
    /// Login of a reseller's client, which sends and pays; required for a reseller's key.
    client_login: Option<String>,
}

/// A recipient that gets no message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedRecipient {
    /// Number, with `+`.
    phone: String,
    /// Machine code of the reason.
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Id of the campaign.
    campaign_id: i64,
    /// Number of messages.
    recipients_queued: usize,
    /// Always `QUEUED`.
    status: &'static str,
    /// Provider.
    provider: String,
    /// The requested sender.
    sender_id: SenderId,
    /// Local time of the server; null where the messages are sent at once.
    scheduled_at: Option<String>,
    /// Offset of the server's local time from UTC.
    server_utc_offset: String,
    /// Repeated numbers, which get one message.
    duplicates: usize,
    /// Number of recipients that get no message.
    recipients_rejected: usize,
    /// The first hundred of the rejected recipients.
    rejected: Vec<RejectedRecipient>,
    /// Segments of each message.
    segments: u16,
    /// Held amount.
    cost: D4,
}

pub(super) struct Bulk;

impl Endpoint for Bulk {
    const NAME: &'static str = "bulk";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Send a text to many recipients";
    const CHANGES: Changes = Changes::Campaign;
    const IDEMPOTENT: bool = true;
    const MAX_BODY_BYTES: usize = MAX_BYTES;
    const PATIENCE: Duration = WRITING_PATIENCE;
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
        (429, "too_many_unsent"),
    ];
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
