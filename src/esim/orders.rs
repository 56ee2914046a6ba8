//! A purchase: its price is held and the order written in one transaction, then the upstream is asked, under a name of ours
//! by which the same request is the same order. When the eSIM is there, hold becomes charge and the order gets it; when it is
//! refused, hold and order end together. Whatever happens in between, the order lies in the store as pending with its
//! credit held, and is asked for again under the same name: so it ends in one eSIM that is paid once, or in none.
//!
//! The upstream documents that a transaction id it has seen is the order it was. It does not document that it looks for the
//! id before it looks at prices, its stock and our balance. So a refusal is final only of an order's first try. After a
//! try without a clear answer it proves nothing about that one: what the upstream has is then read from its own list of
//! what was bought. An order that is in it goes on; one that is provably not in it, long after the last such try, has
//! failed; where neither is proven it stays pending and the operator decides.

use std::sync::Arc;

use tollgate_rating::credit::RefusalReason;

use super::doubt::{LISTED_AFTER_MS, Listed, listed};
use super::price::{Buyer, Unsold};
use super::upstream::{Lane, Order, Profile, Upstream, UpstreamError};
use super::{markups, rates};
use crate::accounts::spending::{
    Question, Record, Share, SpendError, Spending, charge, give_back, set_aside,
};
use crate::directory::Account;
use crate::secrets::{hex, random_bytes};
use crate::services::{ServiceError, Services};
use crate::store::esim_orders::{EsimGiven, EsimOrder, EsimStatus, NewEsimOrder};
use crate::store::idempotency::RememberedAnswer;
use crate::store::{StoreError, Tx};

/// Why nothing was bought.
#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    /// eSIMs are not sold here.
    #[error("eSIMs are not offered here")]
    Off,
    /// There is no such package.
    #[error("there is no such package")]
    UnknownPackage,
    /// It is not sold at present.
    #[error("the package is not sold: {0}")]
    Unsold(Unsold),
    /// Who buys has too little.
    #[error("there is not enough credit")]
    NoCredit,
    /// Who buys may spend no more today.
    #[error("the day's spending limit is reached")]
    DailyLimit,
    /// Somebody above has too little; whoever buys is not told.
    #[error("the package cannot be bought at the moment")]
    Above,
    /// The database is away, or the wallets are another process's.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for BuyError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Why an order was not brought further.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Memory knows nobody who could have bought it.
    #[error("order {0} is nobody's")]
    Nobodys(i64),
    /// It could not be written.
    #[error("it could not be written: {0}")]
    Spend(#[from] SpendError<NotPending>),
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process cannot work.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

/// The order is not pending any more.
#[derive(Debug)]
pub struct NotPending;

/// What is to be done with an order next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has just got its eSIM, or failed.
    Done,
    /// Nothing: it was not pending.
    Ended,
    /// The upstream has it and gives it soon.
    Soon,
    /// It gave no answer; later.
    Later,
}

/// Buys a package: on return the order is durable and its price held. The worker does the rest. `remember` makes the
/// answer that is kept for the same request again.
pub async fn buy<E: From<BuyError>>(
    services: &Services,
    account: &Arc<Account>,
    package_code: &str,
    remember: impl FnOnce(&EsimOrder) -> Result<Option<RememberedAnswer>, E>,
) -> Result<EsimOrder, E> {
    let order = prepared(services, account, package_code).await?;
    let id = order.new.id;
    let remembered = remember(&order)?;
    let shares = shares_of(services, &order).await.map_err(BuyError::from)?;
    let written = Bought { order: &order.new, remembered };
    services.esim.fresh().insert(id);
    let held = set_aside(services, Spending::Esim, &order.new.transaction_id, &shares, &written).await;
    if let Err(error) = held {
        services.esim.fresh().remove(&id);
        return Err(refusal(error).into());
    }
    tracing::info!(
        order.id = id,
        account.login = %account.login,
        package.code = %order.new.package_code,
        price_nanos = order.new.price.nanos(),
        "an eSIM is ordered"
    );
    services.metrics.esim_became(EsimStatus::Pending.as_str());
    services.esim.due.now(id);
    Ok(order)
}

fn refusal(error: SpendError<std::convert::Infallible>) -> BuyError {
    match error {
        SpendError::Short { payer_index: 0, reason: RefusalReason::NoCredit, .. } => BuyError::NoCredit,
        SpendError::Short { payer_index: 0, .. } => BuyError::DailyLimit,
        SpendError::Short { account_id, reason, .. } => {
            tracing::info!(account.id = account_id, %reason, "an eSIM is refused for want of credit above");
            BuyError::Above
        }
        SpendError::Chain(error) => {
            tracing::error!(%error, "who would pay for an eSIM is no chain");
            BuyError::Above
        }
        SpendError::Refused(never) => match never {},
        SpendError::Services(error) => BuyError::Services(error),
    }
}

/// An order as it will be written.
async fn prepared(
    services: &Services,
    account: &Arc<Account>,
    package_code: &str,
) -> Result<EsimOrder, BuyError> {
    if !services.config.esim.is_on() {
        return Err(BuyError::Off);
    }
    let snapshot = services.esim.snapshot(&services.store).await?;
    let package = snapshot.package(package_code).filter(|package| package.is_listed());
    let package = package.ok_or(BuyError::UnknownPackage)?;
    let prices = snapshot.prices(package, &rates(services).await?, markups(&services.config));
    let prices = prices.map_err(BuyError::Unsold)?;
    let price = prices.of(Buyer::of(account)).map_err(BuyError::Unsold)?;
    // Where the resellers' price is none, nobody above would pay it.
    let wholesale = prices.reseller.unwrap_or(price);
    let now = services.clock.now();
    let mut tx = services.store.begin().await?;
    let id = tx.catalog_ids(1).await?;
    tx.commit().await?;
    let new = NewEsimOrder {
        id,
        account_id: account.id,
        package_code: package.row.code.clone(),
        package_name: package.row.name.clone(),
        price,
        wholesale,
        currency: services.currency().to_owned(),
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

/// Who pays what for an order: who bought it its price, each reseller above the wholesale price.
async fn shares_of(services: &Services, order: &EsimOrder) -> Result<Vec<Share>, ServiceError> {
    let calls = services.memory().await?;
    let Some(buyer) = calls.directory.account(order.new.account_id) else { return Ok(Vec::new()) };
    let chain = buyer.chain().into_iter().enumerate();
    Ok(chain
        .map(|(above, account)| Share {
            account,
            amount: if above == 0 { order.new.price } else { order.new.wholesale },
        })
        .collect())
}

/// Brings a pending order one step further; of another nothing is done.
pub async fn advance(services: &Services, id: i64) -> Result<Next, AdvanceError> {
    let _turn = services.esim.turn(id).await;
    let Some(mut order) = services.store.esim_order(id).await? else { return Ok(Next::Ended) };
    if order.status != EsimStatus::Pending {
        return Ok(Next::Ended);
    }
    let upstream = match services.esim.upstream(&services.config, &services.clock).await {
        Ok(upstream) => upstream,
        Err(error) => return no_answer(services, &order, &error).await,
    };
    let order_no = match order.order_no.clone() {
        Some(number) => number,
        None => match ordered(services, upstream, &mut order).await? {
            Ok(number) => number,
            Err(next) => return Ok(next),
        },
    };
    match upstream.profile(Lane::Pending, &order_no, &order.new.transaction_id).await {
        Ok(profile) => given(services, &order, profile).await,
        Err(UpstreamError::NotYet) => Ok(Next::Soon),
        // It has the order, so a "no" is none: somebody must look.
        Err(error) => no_answer(services, &order, &error).await,
    }
}

/// Orders it upstream: its number there, or what is to be done next.
async fn ordered(
    services: &Services,
    upstream: &Upstream,
    order: &mut EsimOrder,
) -> Result<Result<String, Next>, AdvanceError> {
    let id = order.new.id;
    let is_first = services.esim.fresh().remove(&id);
    let asked = upstream
        .order(&Order {
            transaction_id: &order.new.transaction_id,
            package_code: &order.new.package_code,
            price_e4: order.new.cost_e4,
        })
        .await;
    match asked {
        Ok(number) => accepted(services, order, number).await,
        Err(error @ UpstreamError::Refused { .. }) if is_first => {
            refused(services, order, &error.to_string()).await.map(Err)
        }
        Err(error @ UpstreamError::Refused { .. }) if !error.is_about_the_request() => {
            doubted(services, upstream, order, &error).await
        }
        Err(error) => {
            match error {
                // It never arrived: if it was the first try, so is the next.
                UpstreamError::NotReached(_) | UpstreamError::Busy if is_first => {
                    services.esim.fresh().insert(id);
                }
                UpstreamError::NotReached(_) | UpstreamError::Busy | UpstreamError::Refused { .. } => {}
                UpstreamError::NotYet | UpstreamError::Unknown(_) => {
                    services.esim.unclear().insert(id, services.clock.monotonic_ms());
                }
            }
            no_answer(services, order, &error).await.map(Err)
        }
    }
}

/// The upstream has it.
async fn accepted(
    services: &Services,
    order: &EsimOrder,
    number: String,
) -> Result<Result<String, Next>, AdvanceError> {
    let id = order.new.id;
    if services.store.esim_order_accepted(id, &number, services.clock.now()).await? {
        services.esim.unclear().remove(&id);
        tracing::info!(order.id = id, order.upstream = %number, "the upstream has taken an order");
        return Ok(Ok(number));
    }
    let error = UpstreamError::Unknown(format!("its order {number} is another order of ours already"));
    no_answer(services, order, &error).await.map(Err)
}

/// It is refused, but an earlier try had no clear answer: the upstream's list says what became of that one.
async fn doubted(
    services: &Services,
    upstream: &Upstream,
    order: &EsimOrder,
    refusal: &UpstreamError,
) -> Result<Result<String, Next>, AdvanceError> {
    let now_ms = services.clock.monotonic_ms();
    // Of a try of an earlier process is not known when it was: as if it were just now.
    let tried_ms = *services.esim.unclear().entry(order.new.id).or_insert(now_ms);
    let why = match listed(services, upstream, order).await? {
        Listed::Bought(number) => return accepted(services, order, number).await,
        Listed::Absent if now_ms.saturating_sub(tried_ms) >= LISTED_AFTER_MS => {
            return refused(services, order, &refusal.to_string()).await.map(Err);
        }
        Listed::Absent => "its list does not have it so far".to_owned(),
        Listed::Untold(why) => why,
    };
    let error = UpstreamError::Unknown(format!("{refusal}; an earlier try may have bought it, and {why}"));
    no_answer(services, order, &error).await.map(Err)
}

async fn no_answer(
    services: &Services,
    order: &EsimOrder,
    error: &UpstreamError,
) -> Result<Next, AdvanceError> {
    services.metrics.esim_failed(error.kind());
    if *error == UpstreamError::Busy {
        // It says nothing of the order.
        return Ok(Next::Later);
    }
    let reason = error.to_string();
    tracing::warn!(order.id = order.new.id, %reason, "an eSIM order stays pending");
    if order.reason.as_deref() != Some(&reason) {
        services.store.note_esim_order(order.new.id, &reason).await?;
    }
    Ok(Next::Later)
}

/// The eSIM is there: its price is charged.
async fn given(services: &Services, order: &EsimOrder, profile: Profile) -> Result<Next, AdvanceError> {
    let Some(status) = status_of(&profile.state) else {
        return no_answer(services, order, &UpstreamError::Unknown(format!("state {}", profile.state))).await;
    };
    if profile.state == "CANCEL" {
        // Taken back before anybody had it; the upstream has paid it back.
        return refused(services, order, "the upstream has cancelled it").await;
    }
    let written = Settled {
        id: order.new.id,
        given: EsimGiven {
            status,
            tran_no: profile.tran_no,
            iccid: profile.iccid,
            activation_code: profile.activation_code,
            total_bytes: profile.total_bytes,
            used_bytes: profile.used_bytes,
            expires_at: profile.expires_at,
        },
        at: services.clock.now(),
    };
    let shares = payers(services, order).await?;
    let name = &order.new.transaction_id;
    let note = format!("eSIM {} order {}", order.new.package_code, order.new.id);
    match charge(services, Spending::Esim, name, &shares, &note, &written).await {
        Err(SpendError::Services(ServiceError::Store(error))) if is_anothers(&error) => {
            let iccid = &written.given.iccid;
            // Card numbers are used again: perhaps only we do not know yet that the other one has ended.
            if let Some(other) = services.store.esim_order_named(iccid).await? {
                services.esim.due.told(other, std::time::Duration::ZERO);
            }
            let reason = format!("the eSIM {iccid} is another order's");
            return no_answer(services, order, &UpstreamError::Unknown(reason)).await;
        }
        charged => charged?,
    }
    services.metrics.esim_became(status.as_str());
    tracing::info!(order.id = order.new.id, "an eSIM is allocated and charged");
    Ok(Next::Done)
}

/// Whether an eSIM could not be written because another order has it.
fn is_anothers(error: &StoreError) -> bool {
    error.unique_violation().is_some_and(|message| message.contains("esim_orders"))
}

/// It was refused: what was held is given back.
async fn refused(services: &Services, order: &EsimOrder, reason: &str) -> Result<Next, AdvanceError> {
    let written = Failed { id: order.new.id, reason, at: services.clock.now() };
    let shares = payers(services, order).await?;
    give_back(services, &order.new.transaction_id, &shares, &written).await?;
    services.esim.unclear().remove(&order.new.id);
    services.metrics.esim_became(EsimStatus::Failed.as_str());
    tracing::warn!(order.id = order.new.id, reason, "an eSIM order failed");
    Ok(Next::Done)
}

/// Ends a pending order that the operator knows the upstream does not have.
pub async fn give_up(services: &Services, id: i64) -> Result<Option<EsimOrder>, AdvanceError> {
    let _turn = services.esim.turn(id).await;
    let Some(order) = services.store.esim_order(id).await? else { return Ok(None) };
    if order.status == EsimStatus::Pending {
        refused(services, &order, "given up by the operator").await?;
    }
    Ok(services.store.esim_order(id).await?)
}

async fn payers(services: &Services, order: &EsimOrder) -> Result<Vec<Share>, AdvanceError> {
    let shares = shares_of(services, order).await?;
    if shares.is_empty() { Err(AdvanceError::Nobodys(order.new.id)) } else { Ok(shares) }
}

/// Asks the upstream about an eSIM that was given, and writes what has become of it.
pub async fn refresh(services: &Services, id: i64) -> Result<(), AdvanceError> {
    let _turn = services.esim.turn(id).await;
    let Some(order) = services.store.esim_order(id).await? else { return Ok(()) };
    let (Some(order_no), Some(_)) = (&order.order_no, order.tx_id) else { return Ok(()) };
    let now = services.clock.now();
    let asked = match services.esim.upstream(&services.config, &services.clock).await {
        Ok(upstream) => upstream.profile(Lane::Questions, order_no, &order.new.transaction_id).await,
        Err(error) => Err(error),
    };
    match asked {
        // The eSIM that was paid for is the one it stays.
        Ok(profile) if Some(&profile.iccid) == order.iccid.as_ref() => {
            let status = status_of(&profile.state).unwrap_or(order.status);
            let bytes = (profile.total_bytes.or(order.total_bytes), profile.used_bytes.or(order.used_bytes));
            let expires_at = profile.expires_at.or(order.expires_at);
            let change = (order.status, status);
            if services.store.esim_order_state(id, change, bytes, expires_at, now).await?
                && status != order.status
            {
                services.metrics.esim_became(status.as_str());
            }
        }
        Ok(_) => {
            tracing::error!(order.id = id, "the upstream tells another eSIM of an order than it gave");
            services.store.esim_order_was_asked(id, now).await?;
        }
        Err(UpstreamError::Busy) => services.metrics.esim_failed(UpstreamError::Busy.kind()),
        Err(error) => {
            services.metrics.esim_failed(error.kind());
            tracing::info!(order.id = id, %error, "the upstream does not tell what became of an eSIM");
            services.store.esim_order_was_asked(id, now).await?;
        }
    }
    Ok(())
}

/// Writes how much of an eSIM is used. It was read a while ago and without its turn: what was learned since is left.
pub(super) async fn used(
    services: &Services,
    order: &EsimOrder,
    used: i64,
    total: i64,
) -> Result<(), StoreError> {
    let now = services.clock.now();
    if order.used_bytes == Some(used) && order.total_bytes == Some(total) {
        return services.store.esim_order_was_asked(order.new.id, now).await;
    }
    let status = match order.status {
        EsimStatus::Allocated if used > 0 => EsimStatus::InUse,
        status => status,
    };
    let bytes = (Some(total), Some(used));
    let change = (order.status, status);
    if !services.store.esim_order_state(order.new.id, change, bytes, order.expires_at, now).await? {
        tracing::debug!(order.id = order.new.id, "an eSIM is not as it was when its usage was asked for");
    } else if status != order.status {
        services.metrics.esim_became(status.as_str());
    }
    Ok(())
}

/// What an upstream's state is to us; none for one that is not documented.
fn status_of(state: &str) -> Option<EsimStatus> {
    Some(match state {
        "GOT_RESOURCE" | "CREATE" => EsimStatus::Allocated,
        "IN_USE" | "SUSPENDED" => EsimStatus::InUse,
        "USED_UP" => EsimStatus::UsedUp,
        "USED_EXPIRED" | "UNUSED_EXPIRED" => EsimStatus::Expired,
        "CANCEL" | "REVOKED" | "REVOKE" => EsimStatus::Cancelled,
        _ => return None,
    })
}

/// The order with its hold, and the answer that the same request gets again.
struct Bought<'a> {
    order: &'a NewEsimOrder,
    remembered: Option<RememberedAnswer>,
}

impl Record for Bought<'_> {
    type Refused = std::convert::Infallible;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), Self::Refused>, StoreError> {
        tx.insert_esim_order(self.order).await?;
        if let Some(answer) = &self.remembered {
            tx.remember_answer(answer).await?;
        }
        Ok(Ok(()))
    }
}

impl Question for Bought<'_> {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.order.id).await?.is_some())
    }
}

/// The eSIM with its charge.
struct Settled {
    id: i64,
    given: EsimGiven,
    at: jiff::Timestamp,
}

impl Record for Settled {
    type Refused = NotPending;

    async fn write(&self, tx: &mut Tx, tx_id: Option<i64>) -> Result<Result<(), NotPending>, StoreError> {
        let Some(tx_id) = tx_id else {
            let reason = format!("order {} costs nothing", self.id);
            return Err(StoreError::Inconsistent { table: "esim_orders", reason });
        };
        let is_first = tx.settle_esim_order(self.id, &self.given, self.at, tx_id).await?;
        Ok(if is_first { Ok(()) } else { Err(NotPending) })
    }
}

impl Question for Settled {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.id).await? == Some(self.given.status))
    }
}

/// The end of an order that got nothing.
struct Failed<'a> {
    id: i64,
    reason: &'a str,
    at: jiff::Timestamp,
}

impl Record for Failed<'_> {
    type Refused = NotPending;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), NotPending>, StoreError> {
        let is_first = tx.fail_esim_order(self.id, self.reason, self.at).await?;
        Ok(if is_first { Ok(()) } else { Err(NotPending) })
    }
}

impl Question for Failed<'_> {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.id).await? == Some(EsimStatus::Failed))
    }
}
