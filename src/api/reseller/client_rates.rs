//! `GET ?endpoint=client-rates&login=LOGIN`: the retail rates of a client, without the reseller's wholesale prices or markup.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged, count};
use crate::api::price_lists::search;
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::api::refusals::Refusal;
use crate::catalog::price_list::{Sold, sold};

/// A page of the rates of a client, searched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Login of the client.
    login: String,
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

/// A retail rate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientRateRow {
    /// Prefix, without `+`.
    prefix: String,
    /// Destination.
    destination: String,
    /// Price per minute.
    price_per_minute: Num,
    /// Connection fee.
    connect_fee: Num,
    /// First billing block, in seconds.
    initial_block: u32,
    /// Further billing blocks, in seconds.
    increment: u32,
}

impl Wanted {
    const fn page(&self) -> Page {
        Page::new(self.limit, self.offset)
    }
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

impl List for ClientRates {
    type Row = ClientRateRow;
    const KEY: &'static str = "rates";
    const DESCRIPTION: &'static str = "Retail rates, by prefix.";
}

impl Endpoint for ClientRates {
    const NAME: &'static str = "client-rates";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's retail rates";
    const IS_COSTLY: bool = true;
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "no_prices")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let client = call.own_client(&wanted.login)?;
        let plan = call.priced_plan(client.settings().plan_id)?;
        let now = call.services().clock.now();
        let list = call.api.calls.catalog.list_of(&plan, now).await;
        let found = search(&list, wanted.q.as_deref(), wanted.page())?;
        let rates = found.prefixes.into_iter().filter_map(|prefix| sold(&plan.priced, prefix, now));
        Ok(Paged::new(rates, wanted.page(), count(found.total)))
    }
}
