//! `GET ?endpoint=scheduled`: scheduled messages, newest first.

use serde::Serialize;
use utoipa::ToSchema;

use super::account::sender;
use super::history::Wanted;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::messaging::wall_time;

/// A scheduled message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduledMessage {
    /// Id of the scheduled message.
    scheduled_sms_id: i64,
    /// Number of the recipient, with `+`.
    phone: String,
    /// Provider.
    provider: String,
    /// Requested sender id; null where none was requested.
    sender_id: Option<String>,
    /// Text of the message.
    message: String,
    /// Number of segments.
    segments: i64,
    /// Local time of the server.
    scheduled_at: String,
    /// Offset of the server's local time from UTC.
    server_utc_offset: String,
    /// Status of the message.
    status: &'static str,
    /// Charge; the held amount while the message waits; 0 where it was not sent.
    cost: D4,
}

pub(super) struct Scheduled;

impl List for Scheduled {
    type Row = ScheduledMessage;
    const KEY: &'static str = "scheduled";
    const DESCRIPTION: &'static str = "Scheduled messages, newest first.";
}

impl Endpoint for Scheduled {
    const NAME: &'static str = "scheduled";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Scheduled messages";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let page = wanted.page();
        let store = &call.services().store;
        let (rows, total) = store.scheduled_messages(account.id, page.limit.0, page.offset.0).await?;
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
        Ok(Paged::new(scheduled, page, total))
    }
}
