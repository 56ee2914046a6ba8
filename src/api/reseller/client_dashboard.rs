//! `GET ?endpoint=client-dashboard`: a client as its portal's first page shows it to the client.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::OfClient;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;

/// A client with its money and calls.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientDashboardView {
    login: String,
    balance: Num,
    currency: String,
    active: bool,
    plan_name: String,
    email: Option<String>,
    phone: Option<String>,
    language: Option<String>,
    /// Calls that began today in its plan's time zone and have ended, answered or not.
    calls_today: i64,
    /// Calls that it makes now.
    calls_active: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    client: ClientDashboardView,
}

pub(super) struct ClientDashboard;

impl Endpoint for ClientDashboard {
    const NAME: &'static str = "client-dashboard";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "A client's balance, profile and calls";
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
