//! Repeated requests: an `Idempotency-Key` makes the request take effect once, and later copies get its first answer.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::error::{ApiError, printable};
use crate::accounts::reference_text;
use crate::keyed_lock::{KeyedGuard, KeyedLock};
use crate::secrets::Purpose;
use crate::services::Services;
use crate::store::idempotency::RememberedAnswer;

/// The header that carries the key.
pub(super) const HEADER: &str = "Idempotency-Key";
/// Its description in the OpenAPI document.
pub(super) const DESCRIPTION: &str =
    "Makes a repeated request take effect once: the same request with the same key gets the first answer.";
/// Longest key, in characters.
pub(super) const MAX_KEY_CHARS: usize = 128;

/// Locks of the requests in progress: requests with the same key of an account are handled one after another.
pub(super) type KeyLocks = KeyedLock<(i64, String)>;

/// The key of a request that may be repeated.
#[derive(Clone, Debug)]
pub struct RequestKey {
    account_id: i64,
    text: String,
    /// Digest of API, endpoint and body: a key stands for one request.
    digest: [u8; 32],
}

impl RequestKey {
    /// The key of a request whose `target` is its API and endpoint; none where the header is absent.
    pub(super) fn read(
        headers: &HeaderMap,
        account_id: i64,
        target: &str,
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let Some(text) = read_header(headers)? else { return Ok(None) };
        let digest = Sha256::digest([target.as_bytes(), b"\n", body].concat()).into();
        Ok(Some(Self { account_id, text, digest }))
    }

    /// Waits until no other request with this key is in progress.
    pub(super) async fn lock(&self, locks: &KeyLocks) -> KeyedGuard<(i64, String)> {
        locks.lock((self.account_id, self.text.clone())).await
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.account_id, self.text)
    }

    /// The first answer to this request; a different request with the same key is refused.
    pub(super) async fn first_answer(&self, services: &Services) -> Result<Option<String>, ApiError> {
        let Some(first) = services.store.remembered_answer(self.account_id, &self.text).await? else {
            return Ok(None);
        };
        if first.request_digest != self.digest {
            let message = "this Idempotency-Key came with another request before";
            return Err(ApiError::conflict("idempotency_key_taken", message));
        }
        let secrets = services.secrets.load();
        let opened = secrets.open_sealed(Purpose::IdempotentAnswer, &self.subject(), &first.answer);
        // The request took effect; the encryption key of its answer may have been rotated away since.
        let answer = opened.map_err(|_| {
            ApiError::conflict("answer_gone", "this request was carried out before; its answer is gone")
        })?;
        Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
    }

    /// The row that keeps an answer, encrypted.
    pub(super) fn remember(
        &self,
        services: &Services,
        answer: &impl Serialize,
    ) -> Result<RememberedAnswer, ApiError> {
        let answer = serde_json::to_vec(answer).map_err(|error| ApiError::fault(&error))?;
        Ok(RememberedAnswer {
            account_id: self.account_id,
            key: self.text.clone(),
            request_digest: self.digest,
            answer: services.secrets.load().seal(Purpose::IdempotentAnswer, &self.subject(), &answer),
            created_at: services.clock.now(),
        })
    }

    /// Replaces the answer that was kept.
    pub(super) async fn replace_answer(
        &self,
        services: &Services,
        answer: &impl Serialize,
    ) -> Result<(), ApiError> {
        Ok(services.store.replace_answer(&self.remember(services, answer)?).await?)
    }

    /// Removes the answer that was kept: the request had no effect and may be repeated.
    pub(super) async fn forget_answer(&self, services: &Services) -> Result<(), ApiError> {
        Ok(services.store.forget_answer(self.account_id, &self.text).await?)
    }
}

/// Compares a name with the header's, however its words are joined.
pub(super) fn is_header(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphabetic).map(|b| b.to_ascii_lowercase());
    letters.eq(*b"idempotencykey") || name.eq_ignore_ascii_case("X-Idempotency-Key")
}

/// 400: the key is in the URL or the body, where it would have no effect and the request would be repeated.
pub(super) fn misplaced(name: &str, place: &str) -> ApiError {
    let message = format!("{HEADER} is a header: it has no effect in the {place}");
    ApiError::new(StatusCode::BAD_REQUEST, "misplaced_header", message).at(printable(name))
}

fn read_header(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    const NAME: HeaderName = HeaderName::from_static("idempotency-key");
    let mut values = headers.get_all(NAME).iter();
    let Some(key) = values.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=MAX_KEY_CHARS).contains(&key.len()) && reference_text::check(key).is_ok();
    match (key.to_str().ok().filter(fits), values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(ApiError::bad_request(
            "Idempotency-Key: one header of 1 to 128 printable ASCII characters, spaces one at a time and inside",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[&str], body: &[u8]) -> Result<Option<RequestKey>, ApiError> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append("idempotency-key", key.parse().unwrap());
        }
        RequestKey::read(&headers, 1, "sms-api/send", body)
    }

    #[test]
    fn a_key_is_one_header_of_printable_text() {
        assert!(read(&[], b"").unwrap().is_none());
        assert_eq!(read(&["order 1"], b"").unwrap().unwrap().subject(), "1/order 1");
        for bad in [&["a", "a"][..], &[""], &["two  spaces"], &[&"k".repeat(MAX_KEY_CHARS + 1)]] {
            assert_eq!(read(bad, b"").unwrap_err().status, 400, "{bad:?}");
        }
    }

    #[test]
    fn the_header_is_recognised_however_it_is_spelled() {
        for name in ["Idempotency-Key", "idempotency_key", "idempotencyKey", "x-idempotency-key"] {
            assert!(is_header(name), "{name}");
        }
        assert!(!is_header("key") && !is_header("idempotency"));
    }

    #[test]
    fn another_body_is_another_request() {
        let digest = |body| read(&["k"], body).unwrap().unwrap().digest;
        assert_eq!(digest(b"{}"), digest(b"{}"));
        assert_ne!(digest(b"{}"), digest(b"{ }"));
    }
}
