//! `GET ?endpoint=orders`: the orders of the account, newest first.

use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, Page};

pub(super) struct Orders;

impl List for Orders {
    type Row = EsimOrderRow;
    const KEY: &'static str = "orders";
    const DESCRIPTION: &'static str = "Orders, newest first.";
}

impl Endpoint for Orders {
    const NAME: &'static str = "orders";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "eSIM orders, activation data and usage";
    type Query = Page;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let Page { limit, offset } = page;
        let (orders, total) =
            call.services().store.esim_orders_of(call.account.id, limit.0, offset.0).await?;
        let rows = orders.into_iter().map(|order| EsimOrderRow::new(&call.api, order));
        Ok(Paged::new(rows, page, total))
    }
}
