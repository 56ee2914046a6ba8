//! Asynchronous locks by key: holders of the same key exclude each other, holders of different keys do not wait.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Locks<K> = Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>;

/// A lock for each key. A key is kept only while its lock is held or awaited.
pub struct KeyedLock<K: Eq + Hash + Clone> {
    locks: Arc<Locks<K>>,
}

/// The held lock of a key, released when it is dropped.
#[must_use = "the lock is released when this is dropped"]
pub struct KeyedGuard<K: Eq + Hash + Clone> {
    // Dropped before the user: fields are dropped in this order.
    _held: OwnedMutexGuard<()>,
    _user: User<K>,
}

/// A holder of a key's lock, or a task that waits for it. Dropping the last one removes the key.
struct User<K: Eq + Hash + Clone> {
    locks: Arc<Locks<K>>,
    key: K,
    lock: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl<K: Eq + Hash + Clone> KeyedLock<K> {
    /// Waits until no other task holds the lock of this key. Waiting tasks get it in order.
    pub async fn lock(&self, key: K) -> KeyedGuard<K> {
        let lock = Arc::clone(map(&self.locks).entry(key.clone()).or_default());
        let user = User { locks: Arc::clone(&self.locks), key, lock: Some(Arc::clone(&lock)) };
        KeyedGuard { _held: lock.lock_owned().await, _user: user }
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        map(&self.locks).len()
    }
}

impl<K: Eq + Hash + Clone> Drop for User<K> {
    fn drop(&mut self) {
        let mut locks = map(&self.locks);
        // Dropped while the map is locked, so that the last of two users that leave at once sees that it is the last.
        self.lock = None;
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

impl<K: Eq + Hash + Clone> Default for KeyedLock<K> {
    fn default() -> Self {
        Self { locks: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone> fmt::Debug for KeyedLock<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLock").field("keys", &map(&self.locks).len()).finish()
    }
}

impl<K: Eq + Hash + Clone> fmt::Debug for KeyedGuard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedGuard")
    }
}

/// Locks the map. Every change is a single insertion or removal, so a panic elsewhere leaves it consistent.
fn map<K>(locks: &Locks<K>) -> MutexGuard<'_, HashMap<K, Arc<tokio::sync::Mutex<()>>>> {
    locks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn holders_of_one_key_follow_one_another_and_others_do_not_wait() {
        let locks = KeyedLock::default();
        let first = locks.lock(1).await;
        let mut second = Box::pin(locks.lock(1));
        assert!((&mut second).now_or_never().is_none());
        let other = locks.lock(2).now_or_never().unwrap();
        drop(first);
        drop((second.await, other));
        assert_eq!(locks.keys(), 0);
    }

    #[tokio::test]
    async fn a_key_is_forgotten_when_its_last_user_leaves_even_one_that_gave_up_waiting() {
        let locks = KeyedLock::default();
        let held = locks.lock("key").await;
        let mut waiting = Box::pin(locks.lock("key"));
        assert!((&mut waiting).now_or_never().is_none());
        drop(held);
        assert_eq!(locks.keys(), 1);
        drop(waiting);
        assert_eq!(locks.keys(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_tasks_never_hold_one_key_and_no_key_is_left() {
        let locks = Arc::new(KeyedLock::<usize>::default());
        let busy: Arc<[AtomicBool; 3]> = Arc::default();
        let tasks = (0..8).map(|task: usize| {
            let (locks, busy) = (Arc::clone(&locks), Arc::clone(&busy));
            tokio::spawn(async move {
                for round in 0..500 {
                    let key = (task + round) % busy.len();
                    let _guard = locks.lock(key).await;
                    assert!(!busy[key].swap(true, Ordering::SeqCst));
                    if round % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                    busy[key].store(false, Ordering::SeqCst);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(locks.keys(), 0);
    }
}
