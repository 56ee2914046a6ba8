//! Requests that move money and come again: an `Idempotency-Key` makes what they ask for happen once.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::endpoint::Call;
use super::error::ApiError;
use crate::secrets::Purpose;
use crate::store::idempotency::RememberedAnswer;

/// Requests under way that may come again, a caller at a time for each key.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    turns: DashMap<(i64, String), Arc<Mutex<()>>>,
}

impl Repeats {
    /// Waits until no other request of this key is under way.
    pub(super) async fn turn(&self, account_id: i64, key: &str) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(&self.turns.entry((account_id, key.to_owned())).or_default());
        let guard = turn.lock_owned().await;
        // Whoever waits holds the mutex too: an entry that only the map and this guard know is dropped later.
        self.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        guard
    }
}

fn subject(call: &Call, key: &str) -> String {
    format!("{}/{key}", call.account.id)
}

/// The answer that this very request got the first time; a different request of the same key is refused.
pub(super) async fn first_answer(call: &Call, key: &str) -> Result<Option<String>, ApiError> {
    let Some(first) = call.services().store.remembered_answer(call.account.id, key).await? else {
        return Ok(None);
    };
    if first.request_digest != call.fingerprint {
        let message = "this Idempotency-Key came with another request before";
        return Err(ApiError::conflict("idempotency_key_taken", message));
    }
    let opened = call.services().secrets.load().open_sealed(
        Purpose::IdempotentAnswer,
        &subject(call, key),
        &first.answer,
    );
    match opened {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        // It was done; the key it was kept under has been rotated away since.
        Err(_) => {
            Err(ApiError::conflict("answer_gone", "this request was carried out before; its answer is gone"))
        }
    }
}

/// The row that keeps an answer.
pub(super) fn remembered(call: &Call, key: &str, answer: &str) -> RememberedAnswer {
    let sealed = call.services().secrets.load().seal(
        Purpose::IdempotentAnswer,
        &subject(call, key),
        answer.as_bytes(),
    );
    RememberedAnswer {
        account_id: call.account.id,
        key: key.to_owned(),
        request_digest: call.fingerprint,
        answer: sealed,
        created_at: call.services().clock.now(),
    }
}
