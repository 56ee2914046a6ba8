//! `GET ?endpoint=campaigns`: texts to many and how far they are, the newest first.

use serde::Serialize;
use utoipa::ToSchema;

use super::history::Wanted;
use super::whose::sender;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::api::rows::stamp;
use crate::messaging::wall_time;

/// A campaign and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignRow {
    campaign_id: i64,
    provider: String,
    sender_id: Option<String>,
    message: String,
    /// The server's local time; null where it was sent at once.
    scheduled_at: Option<String>,
    server_utc_offset: String,
    /// QUEUED, RUNNING, COMPLETED or CANCELLED.
    status: String,
    recipients: i64,
    /// Messages that the provider took.
    sent: i64,
    /// Of those, how many were delivered.
    delivered: i64,
    /// Refused, given up, or not delivered.
    failed: i64,
    /// Perhaps sent: nobody can tell.
    unknown: i64,
    /// Called back.
    cancelled: i64,
    /// What was charged so far.
    cost: D4,
    created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    campaigns: Vec<CampaignRow>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Campaigns;

impl Endpoint for Campaigns {
    const NAME: &'static str = "campaigns";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Texts to many";
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let (limit, offset) = (wanted.limit.0, wanted.offset.0);
        let (rows, total) = call.services().store.campaigns(account.id, limit, offset).await?;
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
        Ok(Answer { campaigns: campaigns.collect(), limit, offset, total })
    }
}
