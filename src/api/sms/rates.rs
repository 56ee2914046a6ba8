//! `GET ?endpoint=rates`: what messages cost by prefix, at the prices of the account that is meant.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::whose::whose;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::price_lists::search;
use crate::api::query::{Limit, NoBody, Offset};
use crate::catalog::MessagePrices;

/// Whose rates, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The login of a reseller's client; the key's own account where none.
    client_login: Option<String>,
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

/// What a message to a prefix costs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageRateRow {
    prefix: String,
    destination: String,
    /// Of a segment.
    price: D4,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    rates: Vec<MessageRateRow>,
    limit: i64,
    offset: i64,
    total: usize,
}

impl Call {
    /// What messages cost by a plan.
    pub(super) fn message_prices(&self, plan_id: i64) -> Result<Arc<MessagePrices>, ApiError> {
        let plan = self.priced_plan(plan_id)?;
        match &plan.messages {
            Some(Ok(messages)) => Ok(Arc::clone(messages)),
            // Why is the operator's business: it is in the log and in `tollgate doctor`.
            Some(Err(_)) => {
                Err(ApiError::refused("no_prices", "the plan has no prices for messages at the moment"))
            }
            None => Err(ApiError::refused("no_prices", "the plan sells no messages")),
        }
    }
}

pub(super) struct Rates;

impl Endpoint for Rates {
    const NAME: &'static str = "rates";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "What messages cost";
    const IS_COSTLY: bool = true;
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let account = whose(&call, wanted.client_login.as_deref())?;
        let prices = call.message_prices(account.settings().plan_id)?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of_messages(&prices, now).await;
        let page = search(&list, wanted.q, (wanted.limit, wanted.offset))?;
        let rates = page.prefixes.into_iter().filter_map(|prefix| {
            let rate = prices.priced.segment_rate_of_prefix(prefix, now).ok()?;
            Some(MessageRateRow {
                prefix: prefix.to_string(),
                destination: rate.destination().to_string(),
                price: D4(rate.price()),
            })
        });
        Ok(Answer {
            rates: rates.collect(),
            limit: wanted.limit.0,
            offset: wanted.offset.0,
            total: page.total,
        })
    }
}
