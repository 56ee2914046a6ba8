//! `GET ?endpoint=campaigns`: campaigns and their progress, newest first.

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
use crate::api::rows::stamp;
use crate::messaging::wall_time;

/// A campaign and its progress.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignRow {
    /// Id of the campaign.
    campaign_id: i64,
    /// Provider.
    provider: String,
    /// Requested sender id; null where none was requested.
    sender_id: Option<String>,
    /// Text of the messages.
    message: String,
    /// Local time of the server; null where it was sent at once.
    scheduled_at: Option<String>,
    /// Offset of the server's local time from UTC.
    server_utc_offset: String,
    /// QUEUED, RUNNING, COMPLETED or CANCELLED.
    status: String,
    /// Number of messages.
    recipients: i64,
    /// Messages that the provider accepted.
    sent: i64,
    /// Messages that were delivered, of those sent.
    delivered: i64,
    /// Messages that were refused, expired or not delivered.
    failed: i64,
    /// Messages whose submission is in doubt.
    unknown: i64,
    /// Cancelled messages.
    cancelled: i64,
    /// Charge so far.
    cost: D4,
    /// Time of creation, UTC.
    created_at: String,
}

pub(super) struct Campaigns;

impl List for Campaigns {
    type Row = CampaignRow;
    const KEY: &'static str = "campaigns";
    const DESCRIPTION: &'static str = "Campaigns, newest first.";
}

impl Endpoint for Campaigns {
    const NAME: &'static str = "campaigns";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Campaigns";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let page = wanted.page();
        let store = &call.services().store;
        let (rows, total) = store.campaigns(account.id, page.limit.0, page.offset.0).await?;
        let zone = call.api.messaging.zone();
        let campaigns = rows.into_iter().map(|campaign| CampaignRow {
            campaign_id: campaign.id,
            provider: campaign.provider,
            sender_id: campaign.sender_id,
            message: campaign.body,
            scheduled_at: campaign.scheduled_at.map(|at| wall_time::write(at, zone)),
            server_utc_offset: wall_time::utc_offset(
                campaign.scheduled_at.unwrap_or(campaign.created_at),
                zone,
            ),
            status: campaign.state,
            recipients: campaign.recipients,
            sent: campaign.sent,
            delivered: campaign.delivered,
            failed: campaign.failed,
            unknown: campaign.unknown,
            cancelled: campaign.cancelled,
            cost: D4(campaign.cost),
            created_at: stamp(campaign.created_at),
        });
        Ok(Paged::new(campaigns, page, total))
    }
}
