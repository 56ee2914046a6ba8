//! Requests that move money and come again: an `Idempotency-Key` makes what they ask for happen once.

use super::endpoint::Call;
use super::error::ApiError;
use crate::keyed_lock::KeyedLock;
use crate::secrets::Purpose;
use crate::store::idempotency::RememberedAnswer;

/// Locks of an account's `Idempotency-Key`s: requests with the same key are handled one after another.
pub(super) type Repeats = KeyedLock<(i64, String)>;

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
