//! `GET ?endpoint=rates`: message prices by prefix, of the key's account or of a reseller's client.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::account::named_account;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged, count};
use crate::api::price_lists::search;
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::api::refusals::Refusal;
use crate::catalog::MessagePrices;

/// A page of the message prices, searched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Login of a reseller's client; the key's own account where absent.
    client_login: Option<String>,
    /// First digits of a prefix, or a part of a destination's name.
    #[param(max_length = 64)]
    q: Option<String>,
    /// Maximum number of rows, at most 200.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// The price of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageRateRow {
    /// Prefix, without `+`.
    prefix: String,
    /// Destination.
    destination: String,
    /// Price of a segment.
    price: D4,
}

impl Wanted {
    const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
}

impl Call {
    /// The message prices of a plan.
    pub(super) fn message_prices(&self, plan_id: i64) -> Result<Arc<MessagePrices>, ApiError> {
        let plan = self.priced_plan(plan_id)?;
        match &plan.messages {
            Some(Ok(messages)) => Ok(Arc::clone(messages)),
            // The reason concerns the operator: it is in the log and in `tollgate doctor`.
            Some(Err(_)) => {
                Err(ApiError::refused("no_prices", "the plan has no prices for messages at the moment"))
            }
            None => Err(ApiError::refused("no_prices", "the plan sells no messages")),
        }
    }
}

pub(super) struct Rates;

impl List for Rates {
    type Row = MessageRateRow;
    const KEY: &'static str = "rates";
    const DESCRIPTION: &'static str = "Message prices, by prefix.";
}

impl Endpoint for Rates {
    const NAME: &'static str = "rates";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Message prices";
    const IS_COSTLY: bool = true;
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "no_prices")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let account = named_account(&call, wanted.client_login.as_deref())?;
        let prices = call.message_prices(account.settings().plan_id)?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of_messages(&prices, now).await;
        let found = search(&list, wanted.q.as_deref(), wanted.page())?;
        let rates = found.prefixes.into_iter().filter_map(|prefix| {
            let rate = prices.priced.segment_rate_of_prefix(prefix, now).ok()?;
            Some(MessageRateRow {
                prefix: prefix.to_string(),
                destination: rate.destination().to_string(),
                price: D4(rate.price()),
            })
        });
        Ok(Paged::new(rates, wanted.page(), count(found.total)))
    }
}
