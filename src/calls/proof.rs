//! Proof to the dialplan that an answer comes from this service.
//!
//! FastAGI has no password: while this service is down any process of its machine can listen on the port. So if a
//! secret is configured on both sides, each answer carries `TG_PROOF`, and the dialplan dials, or deletes the record of
//! an ended call, only with the proof for its own channel. SHA-1 is the strongest digest that a dialplan can compute;
//! the requirement is that no attacker can compute the digest of an unknown secret with a chosen suffix.

use sha1::{Digest as _, Sha1};

use crate::secrets::hex;

/// Computes the proof of an answer to a script's request on a channel: `${SHA1(secret:script:unique id)}` in the
/// dialplan.
pub(super) fn proof(secret: &str, script: &str, unique_id: &str) -> String {
    hex(&Sha1::digest(format!("{secret}:{script}:{unique_id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_the_digest_of_secret_script_and_channel() {
        // printf 'abcdefghijklmnopqrstuvwx:authorize:pbx1-17.3' | sha1sum
        assert_eq!(
            proof("abcdefghijklmnopqrstuvwx", "authorize", "pbx1-17.3"),
            "ecfd3f79b88dbaafc0ee8c7dcd68053fb5deffc2"
        );
    }
}
