//! Buying: the order is written with its price held.

use std::sync::Arc;

use tollgate_rating::credit::RefusalReason;

use super::records::NewOrder;
use super::shares::shares_of;
use crate::accounts::spending::{SpendError, Spending, set_aside};
use crate::directory::Account;
use crate::esim::price::{Buyer, Unsold, markups};
use crate::esim::state::Esim;
use crate::esim::sync::rates;
use crate::secrets::{hex, random_bytes};
use crate::services::ServiceError;
use crate::store::StoreError;
use crate::store::esim_orders::{EsimOrder, EsimStatus, NewEsimOrder};
use crate::store::idempotency::RememberedAnswer;

/// Errors of buying.
#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    /// eSIMs are not sold here.
    #[error("eSIMs are not offered here")]
    Off,
    /// No such package is listed.
    #[error("there is no such package")]
    UnknownPackage,
    /// The package is not sold at present.
    #[error("the package is not sold: {0}")]
    Unsold(Unsold),
    /// The buyer is short of credit.
    #[error("there is not enough credit")]
    NoCredit,
    /// The daily spending limit of the buyer is reached.
    #[error("the day's spending limit is reached")]
    DailyLimit,
    /// A reseller above is short of credit; the buyer must not learn it.
    #[error("the package cannot be bought at the moment")]
    Above,
    /// The database is unavailable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for BuyError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Buys a package: on return the order is durable and its price held. The worker does the rest. `remember` makes the
/// answer that the same request gets again.
pub async fn buy<E: From<BuyError>>(
    esim: &Esim,
    account: &Arc<Account>,
    package_code: &str,
    remember: impl FnOnce(&EsimOrder) -> Result<Option<RememberedAnswer>, E>,
) -> Result<EsimOrder, E> {
    let order = prepare(esim, account, package_code).await?;
    let id = order.new.id;
    let remembered = remember(&order)?;
    let shares = shares_of(&esim.services, &order).await.map_err(BuyError::from)?;
    let record = NewOrder { order: &order.new, remembered };
    esim.untried().insert(id);
    let held = set_aside(&esim.services, Spending::Esim, &order.new.transaction_id, &shares, &record).await;
    if let Err(error) = held {
        esim.untried().remove(&id);
        return Err(refusal(error).into());
    }
    tracing::info!(
        order.id = id,
        account.login = %account.login,
        package.code = %order.new.package_code,
        price_nanos = order.new.price.nanos(),
        "eSIM ordered"
    );
    esim.services.metrics.esim_became(EsimStatus::Pending.as_str());
    esim.due.now(id);
    Ok(order)
}

fn refusal(error: SpendError<std::convert::Infallible>) -> BuyError {
    match error {
        SpendError::Short { payer_index: 0, reason: RefusalReason::NoCredit, .. } => BuyError::NoCredit,
        SpendError::Short { payer_index: 0, .. } => BuyError::DailyLimit,
        SpendError::Short { account_id, reason, .. } => {
            tracing::info!(account.id = account_id, %reason, "eSIM refused: reseller short of credit");
            BuyError::Above
        }
        SpendError::Chain(error) => {
            tracing::error!(%error, "eSIM refused: payers do not form a chain");
            BuyError::Above
        }
        SpendError::Refused(never) => match never {},
        SpendError::Services(error) => BuyError::Services(error),
    }
}

/// Checks and prices an order.
async fn prepare(esim: &Esim, account: &Arc<Account>, package_code: &str) -> Result<EsimOrder, BuyError> {
    if !esim.services.config.esim.is_on() {
        return Err(BuyError::Off);
    }
    let snapshot = esim.snapshot().await?;
    let package = snapshot.package(package_code).filter(|package| package.is_listed());
    let package = package.ok_or(BuyError::UnknownPackage)?;
    let prices = snapshot.prices(package, &rates(esim).await?, markups(&esim.services.config));
    let prices = prices.map_err(BuyError::Unsold)?;
    let price = prices.of(Buyer::of(account)).map_err(BuyError::Unsold)?;
    // Without a price for resellers there is no reseller above who would pay it.
    let wholesale = prices.reseller.unwrap_or(price);
    let now = esim.services.clock.now();
    let mut tx = esim.services.store.begin().await?;
    let id = tx.catalog_ids(1).await?;
    tx.commit().await?;
    let new = NewEsimOrder {
        id,
        account_id: account.id,
        package_code: package.row.code.clone(),
        package_name: package.row.name.clone(),
        price,
        wholesale,
        currency: esim.services.currency().to_owned(),
        cost_e4: package.row.price_e4,
        cost_currency: package.row.currency.clone(),
        transaction_id: format!("tg{}", hex(&random_bytes::<16>())),
        qr_token: hex(&random_bytes::<16>()),
        created_at: now,
    };
    Ok(EsimOrder {
        status: EsimStatus::Pending,
        reason: None,
        order_no: None,
        tran_no: None,
        iccid: None,
        activation_code: None,
        total_bytes: None,
        used_bytes: None,
        expires_at: None,
        updated_at: now,
        asked_at: now,
        tx_id: None,
        new,
    })
}
