//! `GET ?endpoint=sync-order`: an order, refreshed from the upstream. Repeated within some seconds, or while the upstream does not
//! answer, the last known state.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, parse_id};
use crate::api::refusals::Refusal;
use crate::esim::worker;
use crate::store::esim_orders::EsimOrder;

/// An order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Id of the order.
    #[param(value_type = i64, minimum = 1)]
    order_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The order.
    order: EsimOrderRow,
}

pub(super) struct SyncOrder;

impl Endpoint for SyncOrder {
    const NAME: &'static str = "sync-order";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Refresh an order, its activation data and usage";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let id = parse_id("order_id", &query.order_id)?;
        own(&call, id).await?;
        if call.services().config.esim.is_on() {
            worker::refresh_now(&call.api.esim, id).await;
        }
        let order = own(&call, id).await?;
        Ok(Answer { order: EsimOrderRow::new(&call.api, order) })
    }
}

/// An order of the account; another account's order is answered as an unknown one.
async fn own(call: &Call, id: i64) -> Result<EsimOrder, ApiError> {
    let order = call.services().store.esim_order(id).await?;
    order
        .filter(|order| order.new.account_id == call.account.id)
        .ok_or_else(|| ApiError::missing("order_id", "order"))
}
