//! Turns at requests that take a processor for milliseconds: searches of price lists and whatever publishes prices.
//!
//! Few are carried out at once, however many are asked. The others wait in a short queue an account, and the accounts take
//! turns, so that one that asks a lot waits for itself. What does not fit into the queues is refused with 429.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::error::ApiError;

/// Costly requests that are carried out at once.
const AT_ONCE: usize = 2;
/// Costly requests of one account that wait.
const WAITING_OF_ONE: usize = 8;
/// Costly requests of all accounts that wait.
const WAITING: usize = 256;
/// Seconds after which whoever was refused may ask again.
const RETRY_S: u32 = 1;

/// Who waits for a turn.
#[derive(Debug, Default)]
struct State {
    /// Requests that have a turn.
    running: usize,
    /// The most that ever had one at once.
    #[cfg(test)]
    most: usize,
    /// Who waits, by account, in the order in which they came.
    waiting: HashMap<i64, VecDeque<oneshot::Sender<Turn>>>,
    /// The accounts that wait, in the order of their turns.
    order: VecDeque<i64>,
}

impl State {
    /// Forgets those who went away.
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

    /// Who is next: the first that waits of the account whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
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

/// Turns at costly requests.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<State>);

/// A turn: it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn of this account.
    pub(super) async fn take(self: &Arc<Self>, account_id: i64) -> Result<Turn, ApiError> {
        let given = {
            let mut state = self.state();
            if state.running < AT_ONCE {
                state.running += 1;
                #[cfg(test)]
                {
                    state.most = state.most.max(state.running);
                }
                return Ok(Turn(Some(Arc::clone(self))));
            }
            state.forget_gone();
            let of_one = state.waiting.get(&account_id).map_or(0, VecDeque::len);
            if of_one >= WAITING_OF_ONE || state.count() >= WAITING {
                return Err(too_many());
            }
            if of_one == 0 {
                state.order.push_back(account_id);
            }
            let (turn, given) = oneshot::channel();
            state.waiting.entry(account_id).or_default().push_back(turn);
            given
        };
        // A turn that is given is never thrown away unsaid.
        given.await.map_err(|_| ApiError::away())
    }

    /// The most requests that ever had a turn at once.
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

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = turns.state();
                let next = state.next();
                if next.is_none() {
                    state.running -= 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // Whoever waited went away: the turn is the next one's.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn accounts_take_turns_however_much_one_of_them_asks() {
        let turns = Arc::new(Turns::default());
        let running = [turns.take(1).await.unwrap(), turns.take(1).await.unwrap()];
        let mut waiting = [1, 1, 1, 2, 2, 3].map(|id| Some(Box::pin(turns.take(id))));
        assert!(waiting.iter_mut().flatten().all(|one| one.now_or_never().is_none()));
        let mut order = Vec::new();
        let mut held = VecDeque::from(running);
        while order.len() < 6 {
            drop(held.pop_front());
            let ready = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, one)| Some((at, one.as_mut()?.now_or_never()?)));
            let (at, turn) = ready.expect("a turn that ends is another's");
            held.push_back(turn.unwrap());
            order.push(at);
            waiting[at] = None;
        }
        assert_eq!(order, [0, 3, 5, 1, 4, 2]);
        assert_eq!(turns.most_at_once(), AT_ONCE);
    }

    #[tokio::test]
    async fn a_queue_is_short_and_refuses_with_the_time_to_come_back() {
        let turns = Arc::new(Turns::default());
        let running = [turns.take(1).await.unwrap(), turns.take(2).await.unwrap()];
        let mut waiting: Vec<_> = (0..WAITING_OF_ONE).map(|_| Box::pin(turns.take(1))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let refused = turns.take(1).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
        // Another account has a queue of its own, until all are full.
        let others = i64::try_from(WAITING).unwrap();
        let mut others: Vec<_> = (2..others).map(|id| Box::pin(turns.take(id))).collect();
        let refused = others.iter_mut().filter_map(futures::FutureExt::now_or_never).count();
        assert_eq!(refused, others.len() + WAITING_OF_ONE - WAITING);
        // Those who went away leave their places.
        drop((waiting, others));
        assert!(turns.take(1).now_or_never().is_none());
        drop(running);
        let again = [turns.take(1).await.unwrap(), turns.take(1).await.unwrap()];
        assert!(turns.take(1).now_or_never().is_none(), "no turn was lost and none was made: {again:?}");
        assert_eq!(turns.most_at_once(), AT_ONCE);
    }
}
