//! Numbers, prefixes and dial rules: what is accepted is 1 to 15 digits and no first zero.
#![no_main]

use tollgate_rating::E164;
use tollgate_rating::number::{DialRules, MAX_DIAL_RULES, normalise};
use tollgate_rating::prefix::{Prefix, PrefixIndex};

tollgate_fuzz::target!(|text: &str| {
    let (rules, dialled) = text.split_once('\n').unwrap_or(("00=>", text));
    if let Ok(number) = dialled.parse::<E164>() {
        assert_eq!(number.to_string(), dialled);
    }
    let prefix = dialled.parse::<Prefix>();
    if let Ok(prefix) = prefix {
        assert_eq!(prefix.to_string().parse(), Ok(prefix));
    }
    let Ok(parsed) = rules.parse::<DialRules>() else { return };
    let written = parsed.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&parsed));
    assert!(written.split(',').count() <= MAX_DIAL_RULES);
    let Ok(number) = normalise(dialled, &parsed) else { return };
    let digits = number.to_string();
    assert!((1..=15).contains(&digits.len()) && !digits.starts_with('0'));
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(dialled.bytes().enumerate().all(|(at, b)| b.is_ascii_digit() || (at == 0 && b == b'+')));
    if let Some(international) = dialled.strip_prefix('+') {
        assert_eq!(digits, international, "a plus meets no rule");
    }
    // The longest prefix of an index is the longest of those that the digits begin with.
    let prefixes: Vec<Prefix> = written.split([',', '=', '>']).filter_map(|side| side.parse().ok()).collect();
    let Ok(index) = PrefixIndex::build(prefixes.iter().copied()) else { return };
    let longest = prefixes.iter().map(Prefix::to_string).filter(|prefix| digits.starts_with(prefix.as_str()));
    let longest = longest.max_by_key(String::len);
    assert_eq!(index.lookup(number).map(|(_, prefix)| prefix.to_string()), longest);
});
