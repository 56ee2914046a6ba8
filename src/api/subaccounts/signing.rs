//! Signed requests: `X-Signature` is the HMAC-SHA256, as hexadecimal digits, of time, nonce, method, URL and the MD5 of the
//! body, a line each, with the client's signing secret (`tollgate key signing`). Signing is optional; a signature that is
//! sent must be valid.

use axum::http::header;
use axum::http::request::Parts;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::nonces::MAX_AGE_S;
use super::refusal::Refusal;
use crate::accounts::keys;
use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::secrets::hex;

/// Characters of a nonce.
const NONCE_CHARS: usize = 32;
/// Refuses a request with an invalid signature; a request without one passes.
pub(super) async fn check(api: &Api, account_id: i64, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let names = ["x-timestamp", "x-nonce", "x-signature"];
    if !names.iter().any(|name| parts.headers.contains_key(*name)) {
        return Ok(());
    }
    let bad = || Refusal::because("Invalid signature");
    let one = |name: &str| {
        let mut values = parts.headers.get_all(name).iter();
        match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
            (Some(text), None) => Ok(text.trim()),
            _ => Err(bad()),
        }
    };
    let [at, nonce, signature] = [one(names[0])?, one(names[1])?, one(names[2])?];
    let now_s = api.services.clock.now().as_second();
    let is_fresh = at.parse::<i64>().is_ok_and(|at| now_s.abs_diff(at) <= MAX_AGE_S.unsigned_abs());
    let is_nonce = nonce.len() == NONCE_CHARS && nonce.bytes().all(|b| b.is_ascii_alphanumeric());
    let signature = from_hex(signature).ok_or_else(bad)?;
    if !is_fresh || !is_nonce {
        return Err(bad());
    }
    let sealed = api.services.store.signing_secret(account_id).await.map_err(ApiError::from)?;
    let secret = keys::open_signing(&api.services, account_id, &sealed.ok_or_else(bad)?);
    let secret = secret.map_err(ApiError::from)?;
    let signed = signed_text(at, nonce, parts.method.as_str(), &url(api, parts), body);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| bad())?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).map_err(|_| bad())?;
    // Last, so that only holders of the secret use nonces up.
    if api.nonces.use_once(account_id, nonce, now_s) { Ok(()) } else { Err(bad()) }
}

/// The signed text.
fn signed_text(at: &str, nonce: &str, method: &str, url: &str, body: &[u8]) -> String {
    format!("{at}\n{nonce}\n{method}\n{url}\n{}", hex(&Md5::digest(body)))
}

/// The URL as the client wrote it: behind a proxy `http.public_url` says how it begins.
fn url(api: &Api, parts: &Parts) -> String {
    let http = &api.services.config.http;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(base) = &http.public_url {
        return format!("{}{path}", base.trim_end_matches('/'));
    }
    let scheme = if http.tls_cert.is_some() { "https" } else { "http" };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_has_five_lines() {
        assert_eq!(
            signed_text("1700000000", "n", "GET", "http://h/api/subaccounts?action=read", b""),
            "1700000000\nn\nGET\nhttp://h/api/subaccounts?action=read\nd41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(from_hex(&"0f".repeat(32)).unwrap(), [15; 32]);
        assert!(from_hex("0f").is_none() && from_hex(&"é".repeat(32)).is_none());
    }
}
