//! What several endpoints show of messages.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::rows::stamp;
use crate::store::message_lists::MessageRecord;

/// What is said of every sender, whatever was asked for.
const WARNING: &str = "Sender ID / Caller ID is not guaranteed.";

/// The sender that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SenderId {
    requested: Option<String>,
    guaranteed: bool,
    warning: &'static str,
}

impl SenderId {
    pub(super) const fn of(requested: Option<String>) -> Self {
        Self { requested, guaranteed: false, warning: WARNING }
    }
}

/// A message and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageStatus {
    sms_id: i64,
    phone: String,
    provider: String,
    status: &'static str,
    segments: i64,
    /// What it cost; what is set aside while it waits; nothing where it was not sent.
    cost: D4,
    sent_at: Option<String>,
    /// When the phone got it, as the provider says.
    delivered_at: Option<String>,
    updated_at: String,
    /// Why it was not sent or delivered; null where nothing went wrong.
    failure: Option<String>,
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
