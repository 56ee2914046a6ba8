//! `GET ?endpoint=client-dashboard`: a client as the first page of its portal shows it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::OfClient;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;

/// A client with its balance, profile and calls.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientDashboardView {
    /// Login of the client.
    login: String,
    /// Retail balance.
    balance: Num,
    /// Currency, ISO 4217.
    currency: String,
    /// True where the client is enabled.
    active: bool,
    /// Name of its plan.
    plan_name: String,
    /// Mail address; null where unset.
    email: Option<String>,
    /// Phone number; null where unset.
    phone: Option<String>,
    /// Language; null where unset.
    language: Option<String>,
    /// Calls that began today in the time zone of its plan and have ended, answered or not.
    calls_today: i64,
    /// Calls in progress.
    calls_active: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The client.
    client: ClientDashboardView,
}

pub(super) struct ClientDashboard;

impl Endpoint for ClientDashboard {
    const NAME: &'static str = "client-dashboard";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Show a client's balance, profile and calls";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = OfClient;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: OfClient, _: NoBody) -> Result<Answer, ApiError> {
        let client = call.own_client(&query.login)?;
        let (active, plan_id) = {
            let settings = client.settings();
            (settings.active, settings.plan_id)
        };
        let services = call.services();
        let now = services.clock.now();
        let snapshot = call.api.calls.catalog.snapshot();
        let start_s = snapshot.plan(plan_id).map(|plan| plan.spending_day(now).start_s());
        let midnight = start_s.and_then(|start_s| Timestamp::from_second(start_s).ok()).unwrap_or(now);
        let profile = services.store.profile(client.id).await?;
        let wallet = client.wallet.snapshot();
        let client = ClientDashboardView {
            login: client.login.clone(),
            balance: Num(wallet.balance),
            currency: services.currency().to_owned(),
            active,
            plan_name: call.plan_name(plan_id),
            email: profile.email,
            phone: profile.phone,
            language: profile.language,
            calls_today: services.store.calls_since(client.id, midnight).await?,
            calls_active: usize::try_from(wallet.calls).unwrap_or(usize::MAX),
        };
        Ok(Answer { client })
    }
}
