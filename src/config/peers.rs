//! `[peers]`: the peers that Asterisk is told.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// Options that `peers.endpoint` cannot set: they identify or challenge the caller, route its call, or would allow a call
/// without authorization.
const GUARDED: [&str; 21] = [
    "id",
    "type",
    "aors",
    "auth",
    "outbound_auth",
    "identify_by",
    "context",
    "message_context",
    "subscribe_context",
    "refer_blind_progress",
    "allow_transfer",
    "allow_subscribe",
    "allow_overlap",
    "redirect_method",
    "trust_id_inbound",
    "one_touch_recording",
    "record_on_feature",
    "record_off_feature",
    "set_var",
    "accountcode",
    "acl",
];
/// The longest option and the longest value of `peers.endpoint`.
const MAX_OPTION_CHARS: usize = 200;

/// The approval that a client's claim of an address needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpApproval {
    /// No approval: the claim is in force at once.
    None,
    /// The operator: `tollgate ipauth approve`.
    Operator,
    /// A call of the SIP account from that address, with its password; or the operator.
    Proof,
}

/// `[peers]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peers {
    /// Allows addresses of the networks for documentation as IP peers.
    pub documentation_ips: bool,
    /// Networks that are not public and whose addresses can be an IP peer's all the same.
    pub allow_ips: Vec<Ipv4Net>,
    /// The operator's own networks: no customer can claim an address of them.
    pub own_ips: Vec<Ipv4Net>,
    /// The approval that a client's claim of an address needs.
    pub ip_approval: IpApproval,
    /// IP peers of one client, its subaccounts' included, in force or not.
    pub ips_per_client: u32,
    /// IP peers of one reseller's clients, those of resellers below it included, in force or not.
    pub ips_per_reseller: u32,
    /// IP peers in force, of all accounts: each Asterisk compares a request that no name matches with each of them, at a
    /// cost that grows with the square of their number.
    pub ips_in_all: u32,
    /// Options of every endpoint, in place of or beside Tollgate's own; what guards calls cannot be changed.
    pub endpoint: BTreeMap<String, String>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            documentation_ips: true,
            allow_ips: Vec::new(),
            own_ips: Vec::new(),
            ip_approval: IpApproval::None,
            ips_per_client: 20,
            ips_per_reseller: 250,
            ips_in_all: 1_000,
            endpoint: BTreeMap::new(),
        }
    }
}

impl Peers {
    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        check_extra(&self.endpoint)
    }
}

/// Checks `peers.endpoint`: names and values are printable, and no guarded option is set.
fn check_extra(extra: &BTreeMap<String, String>) -> Result<(), String> {
    for (option, value) in extra {
        if GUARDED.contains(&option.as_str()) {
            return Err(format!("peers.endpoint: {option} guards calls and cannot be set"));
        }
        let name = option.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !name || option.is_empty() || option.len() > MAX_OPTION_CHARS {
            return Err(format!("peers.endpoint: {option:?} is not the name of an option"));
        }
        if value.len() > MAX_OPTION_CHARS || !value.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(format!("peers.endpoint: the value of {option} is not printable or too long"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarded_endpoint_options_cannot_be_set() {
        let extra = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        for guarded in ["identify_by", "auth", "context", "allow_transfer", "id", "aors"] {
            assert!(check_extra(&extra(guarded, "x")).is_err(), "{guarded}");
        }
        for (key, value) in
            [("Identify_By", "ip"), ("", "x"), ("a b", "x"), ("allow", "a\nb"), ("allow", "ä")]
        {
            assert!(check_extra(&extra(key, value)).is_err(), "{key}");
        }
        assert!(check_extra(&extra("media_encryption", "sdes")).is_ok());
    }
}
