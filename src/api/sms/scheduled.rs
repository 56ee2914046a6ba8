//! `GET ?endpoint=scheduled`: messages that were given a time, the newest first.

use serde::Serialize;
use utoipa::ToSchema;

use super::history::Wanted;
use super::whose::sender;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::messaging::wall_time;

/// A message that was given a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduledMessage {
    scheduled_sms_id: i64,
    phone: String,
    provider: String,
    sender_id: Option<String>,
    message: String,
    segments: i64,
    /// The server's local time.
    scheduled_at: String,
    server_utc_offset: String,
    status: &'static str,
    /// What it cost; what is set aside while it waits; nothing where it was not sent.
    cost: D4,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    scheduled: Vec<ScheduledMessage>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Scheduled;

impl Endpoint for Scheduled {
    const NAME: &'static str = "scheduled";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Scheduled messages";
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let (limit, offset) = (wanted.limit.0, wanted.offset.0);
        let (rows, total) = call.services().store.scheduled_messages(account.id, limit, offset).await?;
        let zone = call.api.messaging.zone();
        let scheduled = rows.into_iter().filter_map(|message| {
            let at = message.scheduled_at?;
            let cost = D4(message.cost());
            Some(ScheduledMessage {
                scheduled_sms_id: message.id,
                phone: format!("+{}", message.phone),
                provider: message.provider,
                sender_id: message.sender_id,
                message: message.body,
                segments: message.segments,
                scheduled_at: wall_time::write(at, zone),
                server_utc_offset: wall_time::utc_offset(at, zone),
                status: message.state.shown(),
                cost,
            })
        });
        Ok(Answer { scheduled: scheduled.collect(), limit, offset, total })
    }
}
