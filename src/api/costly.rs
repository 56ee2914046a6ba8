//! The queue of costly requests, which need a processor for milliseconds: searches of price lists, publication of prices.
//!
//! Few run at once. The others wait in a short queue of their account, and the accounts are served in rotation, so that an
//! account with many requests delays itself only. A request that does not fit into its queue is refused with 429.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::error::ApiError;

/// Maximum number of costly requests that run at once.
const AT_ONCE: usize = 2;
/// Maximum number of waiting requests of an account.
const WAITING_OF_ONE: usize = 8;
/// Maximum number of waiting requests of all accounts.
const WAITING: usize = 256;
/// `Retry-After` of a refusal, in seconds.
const RETRY_S: u32 = 1;

/// Running and waiting requests.
#[derive(Debug, Default)]
struct State {
    /// Number of running requests.
    running: usize,
    /// Maximum of `running` so far.
    #[cfg(test)]
    most: usize,
    /// Waiting requests by account, in order of arrival.
    waiting: HashMap<i64, VecDeque<oneshot::Sender<Slot>>>,
    /// Accounts with waiting requests, in the order of service.
    order: VecDeque<i64>,
}

impl State {
    /// Removes requests whose clients have disconnected.
    fn forget_gone(&mut self) {
        for queue in self.waiting.values_mut() {
            queue.retain(|waiting| !waiting.is_closed());
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        let waiting = &self.waiting;
        self.order.retain(|account_id| waiting.contains_key(account_id));
    }

    fn count(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// Removes the next request: the first one of the next account.
    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        let account_id = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&account_id)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&account_id);
        } else {
            self.order.push_back(account_id);
        }
        next
    }
}

/// The queue of costly requests.
#[derive(Debug, Default)]
pub(super) struct CostlyQueue(Mutex<State>);

/// The permission to run a costly request, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<CostlyQueue>>);

impl CostlyQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a costly request of this account may run.
    pub(super) async fn wait(self: &Arc<Self>, account_id: i64) -> Result<Slot, ApiError> {
        let granted = {
            let mut state = self.state();
            if state.running < AT_ONCE {
                state.running += 1;
                #[cfg(test)]
                {
                    state.most = state.most.max(state.running);
                }
                return Ok(Slot(Some(Arc::clone(self))));
            }
            state.forget_gone();
            let of_one = state.waiting.get(&account_id).map_or(0, VecDeque::len);
            if of_one >= WAITING_OF_ONE || state.count() >= WAITING {
                return Err(too_many());
            }
            if of_one == 0 {
                state.order.push_back(account_id);
            }
            let (slot, granted) = oneshot::channel();
            state.waiting.entry(account_id).or_default().push_back(slot);
            granted
        };
        // A sender is never dropped without a slot.
        granted.await.map_err(|_| ApiError::away())
    }

    /// Maximum number of requests that ran at once.
    #[cfg(test)]
    fn most_at_once(&self) -> usize {
        self.state().most
    }
}

fn too_many() -> ApiError {
    let mut error = ApiError::new(
        axum::http::StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "too many requests of this kind are waiting; ask again later",
    );
    error.retry_after = Some(RETRY_S);
    error
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = queue.state();
                let next = state.next();
                if next.is_none() {
                    state.running -= 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // The client has disconnected: the slot goes to the next request.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn accounts_are_served_in_rotation() {
        let queue = Arc::new(CostlyQueue::default());
        let running = [queue.wait(1).await.unwrap(), queue.wait(1).await.unwrap()];
        let mut waiting = [1, 1, 1, 2, 2, 3].map(|id| Some(Box::pin(queue.wait(id))));
        assert!(waiting.iter_mut().flatten().all(|one| one.now_or_never().is_none()));
        let mut order = Vec::new();
        let mut held = VecDeque::from(running);
        while order.len() < 6 {
            drop(held.pop_front());
            let ready = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, one)| Some((at, one.as_mut()?.now_or_never()?)));
            let (at, slot) = ready.expect("a dropped slot is granted to another request");
            held.push_back(slot.unwrap());
            order.push(at);
            waiting[at] = None;
        }
        assert_eq!(order, [0, 3, 5, 1, 4, 2]);
        assert_eq!(queue.most_at_once(), AT_ONCE);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_with_retry_after() {
        let queue = Arc::new(CostlyQueue::default());
        let running = [queue.wait(1).await.unwrap(), queue.wait(2).await.unwrap()];
        let mut waiting: Vec<_> = (0..WAITING_OF_ONE).map(|_| Box::pin(queue.wait(1))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let refused = queue.wait(1).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
        // Another account has a queue of its own, until all are full.
        let others = i64::try_from(WAITING).unwrap();
        let mut others: Vec<_> = (2..others).map(|id| Box::pin(queue.wait(id))).collect();
        let refused = others.iter_mut().filter_map(futures::FutureExt::now_or_never).count();
        assert_eq!(refused, others.len() + WAITING_OF_ONE - WAITING);
        // Disconnected clients free their places.
        drop((waiting, others));
        assert!(queue.wait(1).now_or_never().is_none());
        drop(running);
        let again = [queue.wait(1).await.unwrap(), queue.wait(1).await.unwrap()];
        assert!(queue.wait(1).now_or_never().is_none(), "no slot was lost and none was created: {again:?}");
        assert_eq!(queue.most_at_once(), AT_ONCE);
    }
}
