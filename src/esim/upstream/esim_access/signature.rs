//! The signature of requests.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secrets::hex;

/// The signature of a request: the hexadecimal HMAC-SHA256 of timestamp + request id + access code + body.
pub(super) fn sign(secret: &str, timestamp: &str, request_id: &str, access_code: &str, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    for part in [timestamp, request_id, access_code, body] {
        mac.update(part.as_bytes());
    }
    hex(&mac.finalize().into_bytes())
}
