//! `GET ?endpoint=orders`: the account's orders, the newest first.

use serde::Serialize;
use utoipa::ToSchema;

use super::order_row::EsimOrderRow;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    orders: Vec<EsimOrderRow>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Orders;

impl Endpoint for Orders {
    const NAME: &'static str = "orders";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "eSIM orders, activation data and usage";
    type Query = Page;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Answer, ApiError> {
        let Page { limit, offset } = page;
        let (rows, total) = call.services().store.esim_orders_of(call.account.id, limit.0, offset.0).await?;
        let orders = rows.into_iter().map(|order| EsimOrderRow::new(&call.api, order)).collect();
        Ok(Answer { orders, limit: limit.0, offset: offset.0, total })
    }
}
