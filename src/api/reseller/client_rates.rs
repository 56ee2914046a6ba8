//! `GET ?endpoint=client-rates&login=LOGIN`: what a client pays, for its portal. Nothing here tells what the reseller pays
//! or adds.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::price_lists::search;
use crate::api::query::{Limit, NoBody, Offset};
use crate::catalog::price_list::{Sold, sold};

/// Whose rates, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The client's login.
    login: String,
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

/// What a client pays for a prefix.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientRateRow {
    prefix: String,
    destination: String,
    price_per_minute: Num,
    connect_fee: Num,
    /// The first block in seconds.
    initial_block: u32,
    /// The further blocks in seconds.
    increment: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    rates: Vec<ClientRateRow>,
    limit: i64,
    offset: i64,
    total: usize,
}

impl From<Sold> for ClientRateRow {
    fn from(sold: Sold) -> Self {
        Self {
            prefix: sold.prefix.to_string(),
            destination: sold.destination,
            price_per_minute: Num(sold.price_per_minute),
            connect_fee: Num(sold.connect_fee),
            initial_block: sold.initial_block,
            increment: sold.increment,
        }
    }
}

pub(super) struct ClientRates;

impl Endpoint for ClientRates {
    const NAME: &'static str = "client-rates";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "A client's retail rates";
    const IS_COSTLY: bool = true;
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let client = call.own_client(&wanted.login)?;
        let plan = call.priced_plan(client.settings().plan_id)?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of(&plan, now).await;
        let page = search(&list, wanted.q, (wanted.limit, wanted.offset))?;
        let rates = page.prefixes.into_iter().filter_map(|prefix| sold(&plan.priced, prefix, now));
        Ok(Answer {
            rates: rates.map(ClientRateRow::from).collect(),
            limit: wanted.limit.0,
            offset: wanted.offset.0,
            total: page.total,
        })
    }
}
