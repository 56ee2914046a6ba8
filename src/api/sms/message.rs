//! Parts of messages that several endpoints show.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::rows::stamp;
use crate::store::message_lists::MessageRecord;

/// The warning in every answer that shows a sender.
const WARNING: &str = "Sender ID / Caller ID is not guaranteed.";

/// The requested sender.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SenderId {
    /// Requested sender id; null where none was requested.
    requested: Option<String>,
    /// Always false.
    guaranteed: bool,
    /// Warning about sender ids.
    warning: &'static str,
}

impl SenderId {
    pub(super) const fn of(requested: Option<String>) -> Self {
        Self { requested, guaranteed: false, warning: WARNING }
    }
}

/// A message and its status.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageStatus {
    /// Id of the message.
    sms_id: i64,
    /// Number of the recipient, with `+`.
    phone: String,
    /// Provider.
    provider: String,
    /// `QUEUED`, `SCHEDULED`, `SENT_TO_PROVIDER`, `DELIVERED`, `FAILED`, `EXPIRED`, `REJECTED`, `UNKNOWN` or
    /// `CANCELLED`.
    status: &'static str,
    /// Number of segments.
    segments: i64,
    /// Charge; the held amount while the message waits; 0 where it was not sent.
    cost: D4,
    /// Time of the submission, UTC; null before it.
    sent_at: Option<String>,
    /// Time of the delivery as reported by the provider, UTC; null where unknown.
    delivered_at: Option<String>,
    /// Time of the last change, UTC.
    updated_at: String,
    /// Reason of a failure; null without one.
    failure: Option<String>,
    /// Id of its campaign; null where it has none.
    campaign_id: Option<i64>,
}

impl From<&MessageRecord> for MessageStatus {
    fn from(message: &MessageRecord) -> Self {
        Self {
            sms_id: message.id,
            phone: format!("+{}", message.phone),
            provider: message.provider.clone(),
            status: message.state.shown(),
            segments: message.segments,
            cost: D4(message.cost()),
            sent_at: message.sent_at.map(stamp),
            delivered_at: message.delivered_at.map(stamp),
            updated_at: stamp(message.updated_at),
            failure: message.shown_failure().map(str::to_owned),
            campaign_id: message.campaign_id,
        }
    }
}
