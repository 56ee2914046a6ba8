//! Web phones: a browser speaks to a Janus gateway, which registers at Asterisk for it as `<login>_web1`.
//!
//! The gateway lets in whoever shows a token that it can check by itself (`token_auth_secret`): nothing has to be told to
//! it, and a token ends by itself. It looks at the token of every request, a call's keep-alives among them; any token
//! that is good carries on what another one has begun.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha1::Sha1;

/// Janus' plugin that speaks SIP.
pub const SIP_PLUGIN: &str = "janus.plugin.sip";
/// What signed tokens of Janus are for.
const REALM: &str = "janus";

/// A token that opens the SIP plugin, and nothing else, until a moment.
///
/// ```text
/// 1795690800,janus,janus.plugin.sip:lWvOvxAV/xszrhSpqYJIKpCuawg=
/// ```
pub fn janus_token(secret: &str, until: Timestamp) -> String {
    let signed = format!("{},{REALM},{SIP_PLUGIN}", until.as_second());
    let tag = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
        .map(|mac| mac.chain_update(signed.as_bytes()).finalize().into_bytes());
    // A key of any length is one.
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
