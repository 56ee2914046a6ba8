//! Which addresses may ask.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks from which requests are taken. An empty list takes none.
///
/// # Example
///
/// ```
/// use tollgate_agi::AllowList;
/// let allow: AllowList = ["127.0.0.0/8", "2001:db8::7"].into_iter().map(AllowList::parse_net).collect::<Result<_, _>>()?;
/// assert!(allow.contains("127.0.0.9".parse().unwrap()));
/// assert!(allow.contains("::ffff:127.0.0.9".parse().unwrap()));
/// assert!(!allow.contains("192.0.2.1".parse().unwrap()));
/// # Ok::<(), tollgate_agi::allow::NetError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    nets: Vec<IpNet>,
}

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an IP address nor a network like 192.0.2.0/24")]
pub struct NetError {
    text: String,
}

impl AllowList {
    /// The list of these networks.
    #[must_use]
    pub fn new(nets: Vec<IpNet>) -> Self {
        Self { nets }
    }

    /// This machine only: `127.0.0.0/8` and `::1`.
    #[must_use]
    pub fn loopback() -> Self {
        use std::net::{Ipv4Addr, Ipv6Addr};
        let v4 = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self { nets: vec![v4.into(), v6.into()] }
    }

    /// A network, or an address alone.
    pub fn parse_net(text: &str) -> Result<IpNet, NetError> {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| NetError { text: text.to_owned() })
    }

    /// Whether requests from `address` are taken. An IPv4 address seen through an IPv6 socket counts as itself.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.nets.iter().any(|net| net.contains(&address))
    }
}

impl FromIterator<IpNet> for AllowList {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self::new(nets.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_takes_nobody() {
        assert!(!AllowList::default().contains("127.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn loopback_is_this_machine_in_both_families() {
        let allow = AllowList::loopback();
        for inside in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(allow.contains(inside.parse().expect("an address")), "{inside}");
        }
        for outside in ["128.0.0.1", "::2", "::ffff:10.0.0.1"] {
            assert!(!allow.contains(outside.parse().expect("an address")), "{outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_said_to_be_none() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "::/129"] {
            assert!(AllowList::parse_net(text).is_err(), "{text}");
        }
    }
}
