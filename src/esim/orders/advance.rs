//! Asks the upstream about a pending order and applies the steps that follow.

use std::time::Duration;

use super::lookup::find_purchase;
use super::records::{Allocation, NotPending, OrderFailure};
use super::shares::shares_of;
use super::transition::{Answer, State, Step, next_step};
use crate::accounts::spending::{Share, SpendError, Spending, charge, give_back};
use crate::esim::due::Next;
use crate::esim::state::Esim;
use crate::esim::upstream::{Order, Priority, Upstream, UpstreamError};
use crate::services::ServiceError;
use crate::store::StoreError;
use crate::store::esim_orders::{EsimGiven, EsimOrder, EsimStatus};

/// Errors of advancing an order.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// The account that bought it is not in memory.
    #[error("order {0}: buyer account not found")]
    BuyerNotFound(i64),
    /// It could not be written.
    #[error("it could not be written: {0}")]
    Spend(#[from] SpendError<NotPending>),
    /// The database is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process cannot work.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

/// A question to the upstream about an order.
enum Question {
    /// Submits it.
    Place,
    /// Asks whether it is among the purchases, after this refusal.
    Purchases(String),
    /// Asks for its eSIM.
    Profile,
}

/// The consequence of a step.
enum Applied {
    /// A further question, in this state.
    Ask(State, Question),
    /// No further question now.
    End(Next),
}

/// Asks the upstream about a pending order until nothing more is to be learnt now. An order that is not pending is left.
pub async fn advance(esim: &Esim, id: i64) -> Result<Next, AdvanceError> {
    let _lock = esim.lock_order(id).await;
    let Some(mut order) = esim.services.store.esim_order(id).await? else { return Ok(Next::Ended) };
    if order.status != EsimStatus::Pending {
        return Ok(Next::Ended);
    }
    let upstream = match esim.upstream().await {
        Ok(upstream) => upstream,
        Err(error) => return keep_pending(esim, &order, &error).await,
    };
    let (mut state, mut question) = if order.order_no.is_some() {
        (State::Accepted, Question::Profile)
    } else if esim.untried().remove(&id) {
        (State::Untried, Question::Place)
    } else {
        (State::InDoubt, Question::Place)
    };
    loop {
        let answer = ask(esim, upstream, &order, question).await?;
        match apply(esim, &mut order, next_step(state, answer)).await? {
            Applied::Ask(then, next) => (state, question) = (then, next),
            Applied::End(next) => return Ok(next),
        }
    }
}

/// Asks the upstream a question.
async fn ask(
    esim: &Esim,
    upstream: &dyn Upstream,
    order: &EsimOrder,
    question: Question,
) -> Result<Answer, StoreError> {
    let new = &order.new;
    let answered = match question {
        Question::Place => {
            let placed = Order {
                transaction_id: &new.transaction_id,
                package_code: &new.package_code,
                price_e4: new.cost_e4,
            };
            upstream.place_order(placed).await.map(Answer::Placed)
        }
        Question::Purchases(refusal) => {
            let now_ms = esim.services.clock.monotonic_ms();
            // The time of a submission by an earlier process is not known: as if it were now.
            let submitted_ms = *esim.in_doubt().entry(new.id).or_insert(now_ms);
            let ago = Duration::from_millis(now_ms.saturating_sub(submitted_ms));
            let found = find_purchase(&esim.services, upstream, order, ago).await?;
            Ok(Answer::Purchases { refusal, found })
        }
        Question::Profile => {
            let number = order.order_no.as_deref().unwrap_or_default();
            let fetched = upstream.fetch_profile(Priority::Pending, number, &new.transaction_id).await;
            fetched.map(Answer::Profile)
        }
    };
    Ok(answered.unwrap_or_else(Answer::Failed))
}

/// Applies a step.
async fn apply(esim: &Esim, order: &mut EsimOrder, step: Step) -> Result<Applied, AdvanceError> {
    let id = order.new.id;
    let next = match step {
        Step::RecordNumber(number) => {
            if esim.services.store.esim_order_accepted(id, &number, esim.services.clock.now()).await? {
                esim.in_doubt().remove(&id);
                tracing::info!(order.id = id, order.upstream = %number, "eSIM order accepted by the upstream");
                order.order_no = Some(number);
                return Ok(Applied::Ask(State::Accepted, Question::Profile));
            }
            let error =
                UpstreamError::Unknown(format!("its order {number} is another order of ours already"));
            keep_pending(esim, order, &error).await?
        }
        Step::ReadPurchases { refusal } => {
            return Ok(Applied::Ask(State::InDoubt, Question::Purchases(refusal)));
        }
        Step::Charge(allocated) => charge_order(esim, order, allocated).await?,
        Step::Fail(reason) => fail(esim, order, &reason).await?,
        Step::Poll => Next::Soon,
        Step::RetryUntried(error) => {
            esim.untried().insert(id);
            keep_pending(esim, order, &error).await?
        }
        Step::RetryInDoubt(error) => {
            esim.in_doubt().insert(id, esim.services.clock.monotonic_ms());
            keep_pending(esim, order, &error).await?
        }
        Step::Retry(error) => keep_pending(esim, order, &error).await?,
    };
    Ok(Applied::End(next))
}

/// Leaves an order pending, with the reason.
async fn keep_pending(esim: &Esim, order: &EsimOrder, error: &UpstreamError) -> Result<Next, AdvanceError> {
    esim.services.metrics.esim_failed(error.kind());
    if *error == UpstreamError::Busy {
        // No statement about the order.
        return Ok(Next::Later);
    }
    let reason = error.to_string();
    tracing::warn!(order.id = order.new.id, %reason, "eSIM order stays pending");
    if order.reason.as_deref() != Some(&reason) {
        esim.services.store.note_esim_order(order.new.id, &reason).await?;
    }
    Ok(Next::Later)
}

/// Charges an order and records its eSIM.
async fn charge_order(sale: &Esim, order: &EsimOrder, esim: EsimGiven) -> Result<Next, AdvanceError> {
    let status = esim.status;
    let record = Allocation { id: order.new.id, esim, at: sale.services.clock.now() };
    let shares = payers(sale, order).await?;
    let name = &order.new.transaction_id;
    let note = format!("eSIM {} order {}", order.new.package_code, order.new.id);
    match charge(&sale.services, Spending::Esim, name, &shares, &note, &record).await {
        Err(SpendError::Services(ServiceError::Store(error))) if is_taken(&error) => {
            let iccid = &record.esim.iccid;
            // Card numbers are reused: perhaps the other order has ended and this is not known here yet.
            if let Some(other) = sale.services.store.esim_order_named(iccid).await? {
                sale.due.notify(other, Duration::ZERO);
            }
            let reason = format!("the eSIM {iccid} is another order's");
            return keep_pending(sale, order, &UpstreamError::Unknown(reason)).await;
        }
        charged => charged?,
    }
    sale.services.metrics.esim_became(status.as_str());
    tracing::info!(order.id = order.new.id, "eSIM allocated and charged");
    Ok(Next::Done)
}

/// Reports whether an eSIM could not be written because another order has it.
fn is_taken(error: &StoreError) -> bool {
    error.unique_violation().is_some_and(|message| message.contains("esim_orders"))
}

/// Ends an order as failed and releases its hold.
async fn fail(esim: &Esim, order: &EsimOrder, reason: &str) -> Result<Next, AdvanceError> {
    let record = OrderFailure { id: order.new.id, reason, at: esim.services.clock.now() };
    let shares = payers(esim, order).await?;
    give_back(&esim.services, &order.new.transaction_id, &shares, &record).await?;
    esim.in_doubt().remove(&order.new.id);
    esim.services.metrics.esim_became(EsimStatus::Failed.as_str());
    tracing::warn!(order.id = order.new.id, reason, "eSIM order failed");
    Ok(Next::Done)
}

/// Ends a pending order that, as the operator knows, the upstream does not have.
pub async fn give_up(esim: &Esim, id: i64) -> Result<Option<EsimOrder>, AdvanceError> {
    let _lock = esim.lock_order(id).await;
    let Some(order) = esim.services.store.esim_order(id).await? else { return Ok(None) };
    if order.status == EsimStatus::Pending {
        fail(esim, &order, "given up by the operator").await?;
    }
    Ok(esim.services.store.esim_order(id).await?)
}

async fn payers(esim: &Esim, order: &EsimOrder) -> Result<Vec<Share>, AdvanceError> {
    let shares = shares_of(&esim.services, order).await?;
    if shares.is_empty() { Err(AdvanceError::BuyerNotFound(order.new.id)) } else { Ok(shares) }
}
