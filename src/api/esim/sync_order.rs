//! `GET ?endpoint=sync-order`: an order as the upstream tells it now. Asked again within some seconds, or while the
//! upstream does not answer, it is what is known.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::esim::worker;
use crate::store::esim_orders::EsimOrder;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Which order.
    #[param(value_type = i64, minimum = 1)]
    order_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    order: EsimOrderRow,
}

pub(super) struct SyncOrder;

impl Endpoint for SyncOrder {
    const NAME: &'static str = "sync-order";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Refresh an order, its activation data and usage";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let id: i64 = query
            .order_id
            .parse()
            .map_err(|_| ApiError::bad_field("order_id", "a whole number is needed"))?;
        own(&call, id).await?;
        if call.services().config.esim.is_on() {
            worker::refresh_now(&call.api.services, id).await;
        }
        let order = own(&call, id).await?;
        Ok(Answer { order: EsimOrderRow::new(&call.api, order) })
    }
}

/// An order of the account's. Somebody else's is missing as one that does not exist is.
async fn own(call: &Call, id: i64) -> Result<EsimOrder, ApiError> {
    let order = call.services().store.esim_order(id).await?;
    order
        .filter(|order| order.new.account_id == call.account.id)
        .ok_or_else(|| ApiError::missing("order_id", "order"))
}
