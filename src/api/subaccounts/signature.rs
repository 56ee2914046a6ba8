//! Signed requests. A signature is optional; one that is sent must be right.
//!
//! `X-Signature` is HMAC-SHA256, in hexadecimal, of the lines timestamp, nonce, method, whole URL and MD5 of the body
//! (hexadecimal), under the account's signing secret, which is not its key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::request::Parts;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::accounts::directory::Account;
use crate::accounts::keys;
use crate::api::Api;
use crate::api::error::ApiError;
use crate::secrets::hex;

/// How old a signature may be, and how far ahead its clock.
const MAX_AGE_S: u64 = 30;
/// How long a nonce is remembered: longer than its signature is good.
const NONCE_KEPT_S: i64 = 90;
/// Nonces remembered at once; beyond that signed requests are refused until some are forgotten.
const MAX_NONCES: usize = 200_000;
/// Characters of a nonce.
const NONCE_CHARS: usize = 32;

/// Nonces that came a short while ago, with when.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<HashMap<(i64, String), i64>>);

impl Nonces {
    /// Takes a nonce; whether it is the first time.
    fn take(&self, account_id: i64, nonce: &str, now_s: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_NONCES {
            seen.retain(|_, at| now_s - *at <= NONCE_KEPT_S);
        }
        if seen.len() >= MAX_NONCES {
            return false;
        }
        match seen.insert((account_id, nonce.to_owned()), now_s) {
            Some(before) => now_s - before > NONCE_KEPT_S,
            None => true,
        }
    }
}

/// What is wrong with a signed request.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The signature, its time or its nonce.
    Signature,
    /// The database is away.
    Away(ApiError),
}

/// Checks the signature of a request that has one.
pub(super) async fn check(api: &Api, account: &Account, parts: &Parts, body: &[u8]) -> Result<(), Wrong> {
    let headers = &parts.headers;
    let sent = ["x-signature", "x-nonce", "x-timestamp"].map(|name| headers.get(name));
    if sent.iter().all(Option::is_none) {
        return Ok(());
    }
    let text = sent.map(|value| value.and_then(|value| value.to_str().ok()));
    let [Some(signature), Some(nonce), Some(timestamp)] = text else { return Err(Wrong::Signature) };
    let now_s = api.desk.clock.now().as_second();
    let is_fresh = timestamp.parse::<i64>().is_ok_and(|at| at.abs_diff(now_s) <= MAX_AGE_S);
    let is_nonce = nonce.len() == NONCE_CHARS && nonce.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_fresh || !is_nonce {
        return Err(Wrong::Signature);
    }
    let kept = api.desk.store.signing_secret(account.id).await.map_err(|error| Wrong::Away(error.into()))?;
    let Some(sealed) = kept else { return Err(Wrong::Signature) };
    let secret =
        keys::open_signing(&api.desk, account.id, &sealed).map_err(|error| Wrong::Away(error.into()))?;
    let url = url(api, headers, parts);
    let lines = [timestamp, nonce, parts.method.as_str(), &url, &hex(&Md5::digest(body))].join("\n");
    if !is_signature_of(&lines, &secret, signature) || !api.nonces.take(account.id, nonce, now_s) {
        return Err(Wrong::Signature);
    }
    Ok(())
}

/// Compared in constant time.
fn is_signature_of(text: &str, secret: &str, signature: &str) -> bool {
    let Some(bytes) = unhex(signature) else { return false };
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(text.as_bytes());
    mac.verify_slice(&bytes).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// The whole URL as its sender saw it.
fn url(api: &Api, headers: &HeaderMap, parts: &Parts) -> String {
    let config = &api.desk.config.http;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if let Some(base) = &config.public_url {
        return format!("{}{path}", base.trim_end_matches('/'));
    }
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_its_text_and_secret() {
        let made = {
            let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
            mac.update(b"a\nb");
            hex(&mac.finalize().into_bytes())
        };
        assert!(is_signature_of("a\nb", "secret", &made));
        assert!(is_signature_of("a\nb", "secret", &made.to_uppercase()));
        assert!(!is_signature_of("a\nc", "secret", &made));
        assert!(!is_signature_of("a\nb", "other", &made));
        assert!(!is_signature_of("a\nb", "secret", "zz"));
        assert!(!is_signature_of("a\nb", "secret", ""));
    }

    #[test]
    fn a_nonce_is_good_once() {
        let nonces = Nonces::default();
        assert!(nonces.take(1, "n", 100));
        assert!(!nonces.take(1, "n", 130));
        assert!(nonces.take(2, "n", 130));
        assert!(nonces.take(1, "n", 300));
    }
}
