//! Names of peers: the next free one of each kind.

/// Returns the candidate names of further SIP accounts of a login, in the order in which they are tried.
///
/// A login of digits alone is incremented (1234567801, 1234567802, …), as in the systems that customers migrate from.
/// Every other login, and any with leading zeros, gets `-2`, `-3`, …: `shop_web2` would be a service peer's name.
pub fn further(login: &str) -> impl Iterator<Item = String> {
    let digits = login.bytes().all(|b| b.is_ascii_digit()) && !login.starts_with('0');
    let first = if digits { login.parse::<u64>().ok() } else { None };
    let login = login.to_owned();
    (1_u64..).map(move |n| match first.and_then(|first| first.checked_add(n)) {
        Some(number) => number.to_string(),
        None => format!("{login}-{}", n + 1),
    })
}

/// Returns the name of an IP peer of a SIP account.
pub fn address_peer(sip_account: &str, number: u32) -> String {
    format!("{sip_account}_ipa{number}")
}

/// Returns the name of a web phone's peer.
pub fn web_peer(login: &str, number: u32) -> String {
    format!("{login}_web{number}")
}

/// Returns the lowest number from 1 that is not among these.
pub fn lowest_free(taken: impl IntoIterator<Item = u32>) -> u32 {
    let taken: std::collections::BTreeSet<u32> = taken.into_iter().collect();
    (1..=u32::MAX).find(|n| !taken.contains(n)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::login;

    #[test]
    fn further_names_count_on_and_are_logins() {
        let names = |login: &str| further(login).take(3).collect::<Vec<_>>();
        assert_eq!(names("1234567801"), ["1234567802", "1234567803", "1234567804"]);
        assert_eq!(names("alice"), ["alice-2", "alice-3", "alice-4"]);
        assert_eq!(names("007"), ["007-2", "007-3", "007-4"]);
        assert_eq!(names("shop_web"), ["shop_web-2", "shop_web-3", "shop_web-4"]);
        assert_eq!(names("18446744073709551615")[0], "18446744073709551615-2");
        for login in ["1234567801", "alice", "shop_web", "a_ipa"] {
            assert!(further(login).take(200).all(|name| login::check(&name).is_ok()), "{login}");
        }
    }

    #[test]
    fn service_names_are_no_logins() {
        assert!(login::is_service_name(&address_peer("1001", 1)));
        assert!(login::is_service_name(&web_peer("1001", 12)));
    }

    #[test]
    fn numbers_that_became_free_come_again() {
        assert_eq!(lowest_free([]), 1);
        assert_eq!(lowest_free([2, 1, 4]), 3);
    }
}
