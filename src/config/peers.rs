//! `[peers]`: the peers that Asterisk is told.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::sip::rows;

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
        rows::check_extra(&self.endpoint)
    }
}
