//! The payers of an order.

use crate::accounts::spending::Share;
use crate::services::{ServiceError, Services};
use crate::store::esim_orders::EsimOrder;

/// The share of each payer of an order: the buyer pays its price, each reseller above it the wholesale price. Empty if the
/// buyer is not known.
pub(super) async fn shares_of(services: &Services, order: &EsimOrder) -> Result<Vec<Share>, ServiceError> {
    let memory = services.memory().await?;
    let Some(buyer) = memory.directory.account(order.new.account_id) else { return Ok(Vec::new()) };
    let chain = buyer.chain().into_iter().enumerate();
    Ok(chain
        .map(|(above, account)| Share {
            account,
            amount: if above == 0 { order.new.price } else { order.new.wholesale },
        })
        .collect())
}
