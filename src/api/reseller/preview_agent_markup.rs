//! `POST ?endpoint=preview-agent-markup`: the prices of the retail plan with another markup, beside its present prices and the
//! wholesale prices. Nothing is changed; calls would be charged exactly these prices.

use serde::{Deserialize, Serialize};
use tollgate_rating::{Prefix, PricedTariff};
use utoipa::ToSchema;

use super::fields::RatePage;
use crate::api::amount::{Num, Percent, PercentIn};
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged, count};
use crate::api::price_lists::search;
use crate::api::refusals::Refusal;
use crate::catalog::price_list::sold;

/// The markup to preview.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Markup in percent, at most 1000.
    markup_percent: PercentIn,
}

/// Prices per minute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupPreviewRow {
    /// Prefix, without `+`.
    prefix: String,
    /// Destination.
    destination: String,
    /// Price that the reseller pays; null where it is not sold.
    wholesale: Option<Num>,
    /// Present retail price; null where it is not sold.
    current_price: Option<Num>,
    /// Retail price with the previewed markup; null where it is not sold.
    new_price: Option<Num>,
}

/// The prices, without type parameters: those would need a schema of their own.
type PricesPage = Paged<PreviewAgentMarkup>;

/// A page of prices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentMarkupPreview {
    /// The previewed markup.
    markup_percent: Percent,
    #[serde(flatten)]
    page: PricesPage,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// A page of prices.
    preview: AgentMarkupPreview,
}

pub(super) struct PreviewAgentMarkup;

impl List for PreviewAgentMarkup {
    type Row = AgentMarkupPreviewRow;
    const KEY: &'static str = "rates";
    const DESCRIPTION: &'static str = "Prices per minute, by prefix.";
}

impl Endpoint for PreviewAgentMarkup {
    const NAME: &'static str = "preview-agent-markup";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Preview prices with another markup";
    const CHANGES: Changes = Changes::Nothing;
    const IS_COSTLY: bool = true;
    const REFUSALS: &[Refusal] =
        &[(409, "exists"), (422, "no_prices"), (422, "plan_limit"), (422, "too_deep")];
    type Query = RatePage;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, wanted: RatePage, request: Request) -> Result<Answer, ApiError> {
        let markup = request.markup_percent.0;
        let retail = call.priced_plan(call.retail_plan().await?.plan_id)?;
        let wholesale = call.priced_plan(call.account.settings().plan_id)?;
        let changed = call.api.calls.catalog.priced_with_markup(&retail, markup).await?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of(&retail, now).await;
        let found = search(&list, wanted.q.as_deref(), wanted.page())?;
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
            page: Paged::new(found.prefixes.into_iter().map(row), wanted.page(), count(found.total)),
        };
        Ok(Answer { preview })
    }
}
