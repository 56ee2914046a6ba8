//! Addresses allowed for an IP peer: public unicast IPv4 addresses.
//!
//! Calls from such an address are accepted without a password, so the Internet must route it to one place alone. Every
//! block of IANA's registries of special-purpose IPv4 addresses and of multicast is refused, also those that are
//! globally reachable: they are anycast services.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::config::Peers;

/// A block that contains no customer's PBX.
struct Block {
    net: Ipv4Net,
    what: &'static str,
}

const fn block(a: u8, b: u8, c: u8, d: u8, prefix: u8, what: &'static str) -> Block {
    Block { net: Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix), what }
}

/// IANA's IPv4 special-purpose registry (edition of 2025-10-09) and multicast, without blocks inside others.
const SPECIAL: [Block; 15] = [
    block(0, 0, 0, 0, 8, "\"this network\" (RFC 791)"),
    block(10, 0, 0, 0, 8, "a private network (RFC 1918)"),
    block(100, 64, 0, 0, 10, "a carrier's NAT (RFC 6598)"),
    block(127, 0, 0, 0, 8, "loopback (RFC 1122)"),
    block(169, 254, 0, 0, 16, "link-local (RFC 3927)"),
    block(172, 16, 0, 0, 12, "a private network (RFC 1918)"),
    block(192, 0, 0, 0, 24, "IETF protocol assignments (RFC 6890)"),
    block(192, 31, 196, 0, 24, "AS112 (RFC 7535)"),
    block(192, 52, 193, 0, 24, "AMT (RFC 7450)"),
    block(192, 88, 99, 0, 24, "6to4 relays (RFC 7526)"),
    block(192, 168, 0, 0, 16, "a private network (RFC 1918)"),
    block(192, 175, 48, 0, 24, "AS112 (RFC 7534)"),
    block(198, 18, 0, 0, 15, "benchmarking (RFC 2544)"),
    block(224, 0, 0, 0, 4, "multicast (RFC 5771)"),
    block(240, 0, 0, 0, 4, "reserved or broadcast (RFC 1112, RFC 919)"),
];

/// The networks for documentation: an example address of the published API is in one of them.
const DOCUMENTATION: [Block; 3] = [
    block(192, 0, 2, 0, 24, "documentation (RFC 5737)"),
    block(198, 51, 100, 0, 24, "documentation (RFC 5737)"),
    block(203, 0, 113, 0, 24, "documentation (RFC 5737)"),
];

/// Reasons why an address cannot be an IP peer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an IPv4 address in four decimal numbers.
    #[error("{0:?} is not an IPv4 address")]
    NotIpv4(String),
    /// The address is in a special-purpose block.
    #[error("{ip} is not a public address: {what}")]
    Special {
        /// The address.
        ip: Ipv4Addr,
        /// Purpose of its block.
        what: &'static str,
    },
}

/// Parses an address and checks it.
pub fn check(text: &str, settings: &Peers) -> Result<Ipv4Addr, AddressError> {
    let ip: Ipv4Addr = text.parse().map_err(|_| AddressError::NotIpv4(text.chars().take(64).collect()))?;
    if settings.allow_ips.iter().any(|net| net.contains(&ip)) {
        return Ok(ip);
    }
    let documentation = if settings.documentation_ips { &[][..] } else { &DOCUMENTATION[..] };
    match SPECIAL.iter().chain(documentation).find(|block| block.net.contains(&ip)) {
        Some(block) => Err(AddressError::Special { ip, what: block.what }),
        None => Ok(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        let settings = Peers::default();
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.9",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.2",
            "192.168.1.1",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(matches!(check(text, &settings), Err(AddressError::Special { .. })), "{text}");
        }
        for text in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.1.1",
            "223.255.255.254",
        ] {
            assert_eq!(check(text, &settings), Ok(text.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "1.2.3",
            "1.2.3.4:5060",
            "::ffff:1.2.3.4",
            "2001:db8::1",
            "010.1.1.1",
            "1.2.3.4/32",
            "0x7f.1",
            "host",
            " 8.8.8.8",
            "8.8.8.8\n",
        ] {
            assert!(matches!(check(text, &settings), Err(AddressError::NotIpv4(_))), "{text}");
        }
    }

    #[test]
    fn documentation_and_listed_networks_are_the_operators_choice() {
        let mut settings = Peers::default();
        assert!(check("203.0.113.10", &settings).is_ok());
        settings.documentation_ips = false;
        assert!(check("203.0.113.10", &settings).is_err());
        assert!(check("127.0.3.1", &settings).is_err());
        settings.allow_ips = vec!["127.0.3.0/24".parse().unwrap()];
        assert!(check("127.0.3.1", &settings).is_ok());
        assert!(check("127.0.4.1", &settings).is_err());
    }
}
