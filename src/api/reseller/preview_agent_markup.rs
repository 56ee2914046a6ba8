//! `POST ?endpoint=preview-agent-markup`: what the retail plan would charge with another markup, beside what it charges
//! now and what the reseller pays. Nothing is changed, and the prices are those that calls would be charged by.

use serde::{Deserialize, Serialize};
use tollgate_rating::{Prefix, PricedTariff};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::{Num, Percent, PercentIn};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::price_lists::search;
use crate::api::query::{Limit, Offset};
use crate::catalog::price_list::sold;

/// Which rates.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The beginning of a prefix, or a part of a destination's name.
    #[param(max_length = 64)]
    q: Option<String>,
    /// How many rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// How many are left out before.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// The markup to look at.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// At most 1000.
    markup_percent: PercentIn,
}

/// Prices of a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupPreviewRow {
    prefix: String,
    destination: String,
    /// What the reseller pays.
    wholesale: Option<Num>,
    /// What its clients pay now.
    current_price: Option<Num>,
    /// What they would pay.
    new_price: Option<Num>,
}

/// A page of prices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupPreview {
    markup_percent: Percent,
    rates: Vec<AgentMarkupPreviewRow>,
    limit: i64,
    offset: i64,
    total: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    preview: AgentMarkupPreview,
}

pub(super) struct PreviewAgentMarkup;

impl Endpoint for PreviewAgentMarkup {
    const NAME: &'static str = "preview-agent-markup";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Prices with another markup";
    const CHANGES: Changes = Changes::Nothing;
    const IS_COSTLY: bool = true;
    type Query = Wanted;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, request: Request) -> Result<Answer, ApiError> {
        let markup = request.markup_percent.0;
        let retail = call.priced_plan(call.retail_plan().await?.plan_id)?;
        let wholesale = call.priced_plan(call.account.settings().plan_id)?;
        let changed = call.api.calls.catalog.priced_with_markup(&retail, markup).await?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of(&retail, now).await;
        let page = search(&list, wanted.q, (wanted.limit, wanted.offset))?;
        let price = |priced: &PricedTariff, prefix: Prefix| {
            sold(priced, prefix, now).map(|sold| Num(sold.price_per_minute))
        };
        let row = |prefix: Prefix| AgentMarkupPreviewRow {
            prefix: prefix.to_string(),
            destination: sold(&retail.priced, prefix, now).map(|sold| sold.destination).unwrap_or_default(),
            wholesale: price(&wholesale.priced, prefix),
            current_price: price(&retail.priced, prefix),
            new_price: price(&changed, prefix),
        };
        let preview = AgentMarkupPreview {
            markup_percent: Percent(markup),
            rates: page.prefixes.into_iter().map(row).collect(),
            limit: wanted.limit.0,
            offset: wanted.offset.0,
            total: page.total,
        };
        Ok(Answer { preview })
    }
}
