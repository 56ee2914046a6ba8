//! Web phones: a browser connects to a Janus gateway, which registers at Asterisk for it as `<login>_web1`.
//!
//! The gateway accepts any token that it can verify by itself (`token_auth_secret`): it needs no notification, and a
//! token expires by itself. It verifies the token of every request, a call's keep-alives among them; any valid token
//! continues a session that another one has begun.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha1::Sha1;

/// Name of Janus' SIP plugin.
pub const SIP_PLUGIN: &str = "janus.plugin.sip";
/// Realm of Janus' signed tokens.
const REALM: &str = "janus";

/// Issues a token that opens only the SIP plugin, until a given time.
///
/// ```text
/// 1795690800,janus,janus.plugin.sip:lWvOvxAV/xszrhSpqYJIKpCuawg=
/// ```
pub fn janus_token(secret: &str, until: Timestamp) -> String {
    let signed = format!("{},{REALM},{SIP_PLUGIN}", until.as_second());
    let tag = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
        .map(|mac| mac.chain_update(signed.as_bytes()).finalize().into_bytes());
    // HMAC accepts a key of any length.
    let tag = tag.map(|tag| STANDARD.encode(tag)).unwrap_or_default();
    format!("{signed}:{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_end_and_its_plugin_and_is_signed() {
        let until = Timestamp::from_second(1_795_690_800).unwrap();
        let token = janus_token("rig-janus-secret", until);
        assert_eq!(token, "1795690800,janus,janus.plugin.sip:lWvOvxAV/xszrhSpqYJIKpCuawg=");
        assert_ne!(token, janus_token("another", until));
    }
}
