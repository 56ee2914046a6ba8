//! Peers: addresses, names, and what Asterisk reads and shows over realtime.
#![no_main]

use std::net::Ipv4Addr;

use tollgate::directory::login;
use tollgate::config::Peers;
use tollgate::fuzzing;
use tollgate::sip::{address, name};

fn checked_address(text: &str) {
    let mut settings = Peers::default();
    settings.documentation_ips = false;
    if let Ok(ip) = address::check(text, &settings) {
        assert_eq!(ip.to_string(), text, "one way to write an address");
        assert!(!ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_multicast());
        assert!(!ip.is_unspecified() && !ip.is_broadcast() && !ip.is_documentation());
    }
}

fn named(text: &str) {
    if login::check(text).is_ok() {
        assert!(text.len() <= login::MAX_LOGIN_CHARS && !login::is_service_name(text));
        for further in name::further(text).take(3) {
            assert!(!login::is_service_name(&further) && further != text, "{further}");
        }
        assert!(login::is_service_name(&name::address_peer(text, 1)));
        assert!(login::is_service_name(&name::web_peer(text, 1)));
    }
    // Whatever a name is, a row says it in one column and one line.
    let row = fuzzing::identify_row(text, Ipv4Addr::new(198, 51, 100, 7));
    assert!(!row.contains(['\n', '\r', '\0']));
    let columns: Vec<(String, String)> = form_urlencoded::parse(row.as_bytes()).into_owned().collect();
    assert_eq!(columns[0], ("id".to_owned(), text.to_owned()));
    assert_eq!(columns.iter().filter(|(column, _)| column == "id").count(), 1);
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match (kind, std::str::from_utf8(rest)) {
        (b'a', Ok(text)) => checked_address(text),
        (b'n', Ok(text)) => named(text),
        (b't', _) => {
            if let Some(token) = fuzzing::realtime_token(rest) {
                assert!(token.len() < rest.len());
            }
        }
        _ => {}
    }
});
